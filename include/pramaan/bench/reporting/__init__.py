"""The parts of `pramaan bench report`."""
