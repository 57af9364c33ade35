"""Reading pages as a browser does: what stands in them, which forms they hold, and what sending one gives."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from web_worlds import Api

from pramaan.settings import PREFIX

__all__ = ["PAGES", "Form", "Page", "assert_sound", "open_page", "send"]

PAGES = "/certificates"
_BLOCKS = {"dd", "dt", "div", "li", "p", "ul"}
_VOID = {"meta", "link", "input", "img", "br", "path", "circle"}


@dataclass
class Form:
    """A form with the values that stand in it."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[dict[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """A page, taken apart."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.status, self.html, self.headers = answer.status_code, answer.text, answer.headers
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.text = ""
        self._within: list[str] = []
        self._select = self._textarea = ""
        self.feed(self.html)
        self.text = " ".join(self.text.split())
        assert self._within == [], "every element is closed"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.tags.append((tag, given))
        self.text += " " if tag in _BLOCKS else ""
        if tag not in _VOID:
            self._within.append(tag)
        if tag == "form":
            self.forms.append(Form(given["action"].removeprefix(PREFIX), given["method"]))
        elif tag == "button":
            self.forms[-1].buttons.append(given)
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and ("selected" in given or self._select not in self.forms[-1].fields):
            self.forms[-1].fields[self._select] = given.get("value", "")
        elif tag == "textarea":
            self._textarea = given["name"]
            self.forms[-1].fields[self._textarea] = ""
        elif tag == "input" and ("checked" in given or given["type"] not in {"file", "radio", "checkbox"}):
            self.forms[-1].fields[given["name"]] = given["value"]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self._within.pop() == tag
        self._textarea = "" if tag == "textarea" else self._textarea

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._textarea:
            self.forms[-1].fields[self._textarea] += data.removeprefix("\n")

    def form(self, action_ends: str) -> Form:
        """The form that leads there."""
        return next(one for one in self.forms if one.action.partition("?")[0].endswith(action_ends))

    def links(self) -> list[str]:
        """Where the page leads."""
        return [given["href"] for tag, given in self.tags if tag == "a"]


def open_page(api: Api, caller: str | None, path: str = "", **headers: str) -> Page:
    """The page that a browser is shown."""
    answer = api(caller, "GET", f"{PAGES}{path}", headers={"accept": "text/html", **headers})
    return Page(answer)


def send(api: Api, caller: str, form: Form, *, files: Any = None, headers: Any = None, **changed: str) -> Any:
    """The answer to a form with some fields filled in otherwise."""
    return api(
        caller,
        form.method.upper(),
        form.action,
        data=form.fields | changed,
        files=files,
        headers={"accept": "text/html", **(headers or {})},
    )


def assert_sound(page: Page) -> None:
    """What every page keeps to: one heading, a label for every control, nothing inline, no other server."""
    names = [tag for tag, _ in page.tags]
    assert names.count("h1") == 1
    assert not {"script", "style", "iframe", "object"} & set(names)
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert len(ids) == len(set(ids)), ids
    labelled = [given["for"] for tag, given in page.tags if tag == "label"]
    assert set(labelled) <= set(ids)
    html = next(given for tag, given in page.tags if tag == "html")
    assert html["lang"]
    assert html["dir"] in {"ltr", "rtl"}
    for tag, given in page.tags:
        assert "style" not in given
        assert not [name for name in given if name.startswith("on")]
        if tag in {"input", "select", "textarea"} and given.get("type") != "hidden":
            assert labelled.count(given["id"]) == 1, given
        for described in given.get("aria-describedby", "").split() + given.get("aria-labelledby", "").split():
            assert described in ids
        if tag == "img":
            assert given["alt"]
        for name in ("href", "src", "action", "formaction"):
            assert given.get(name, f"{PREFIX}/").startswith((f"{PREFIX}/", "#", "data:,", "/auth/login")), (
                given
            )
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
