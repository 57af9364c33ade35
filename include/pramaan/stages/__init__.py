"""The stages of a run, a module each, so that whoever needs one imports no other:

    preparing   a database of this version: schema, rules, printable characters
    loading     landing folder -> raw tables: facts, and apart from them telemetry
    deciding    changed keys -> decisions -> certificates that wait, past the gate; the team is told of holds
    issuing     certificates that wait -> PDFs in the store, in this process or on all cores
    mailing     mail that is due -> the mail server
    counting    everything in figures, for people

Each is a function of a connection and the settings; each can run alone and again. `pramaan.pipeline` binds
them to one home for whoever runs several.
"""
