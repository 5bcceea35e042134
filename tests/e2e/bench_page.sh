#!/bin/bash
# SPDX-License-Identifier: MIT
# The page of ffcl bench --html: it refers to nothing outside itself, and, where a headless Chromium
# is installed, its table sorts, its roofline answers the mouse and it compares two runs.
. "$(dirname "$0")/lib.sh"
need_device

works "a page" bench softmax --quick --repeats 2 --json old.json --html a.html
cat > outside.py << 'PYTHON'
import html.parser, json, re

text = open("a.html", encoding="ascii").read()


class Page(html.parser.HTMLParser):
    data, is_data = None, False

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert tag not in ("link", "iframe", "object", "embed", "base", "img"), tag
        assert not {"src", "href", "srcset", "action", "poster"} & set(given), (tag, given)
        self.is_data = given.get("id") == "data"

    def handle_data(self, data):
        if self.is_data and self.data is None:
            self.data = json.loads(data)


page = Page()
page.feed(text)
assert page.data["cases"] == json.load(open("old.json"))["cases"]
# The name of SVG's elements is no place that is asked for.
assert set(re.findall(r"\w+://[^\"'\s]*", text)) == {"http://www.w3.org/2000/svg"}
for word in "fetch(", "XMLHttpRequest", "import(", "@import", "url(", "WebSocket", "sendBeacon":
    assert word not in text, word
PYTHON
check "it refers to nothing outside" python3 outside.py

# ---- names that would end a script element ----

python3 - << 'PYTHON'
import json
old = json.load(open("old.json"))
old["cases"][0]["median_ms"] *= 1000
old["cases"][0]["spread"] = 0.01
json.dump(old, open("</script><b>.json".replace("/", "_"), "w"))
PYTHON
works "a page with a comparison" bench softmax --quick --repeats 2 --compare '<_script><b>.json' \
    --html b.html
same "no text of the data is markup" "$(grep -c '<b>' b.html)" 0

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
    skip "the page's script" "no Chromium is installed"
    finish
fi

# What people do, by a script behind the page's own, and what they see as text in the document.
cat > use.js << 'SCRIPT'
<script>
const seen = {}, heads = () => [...document.querySelectorAll("th")];
const head = (name) => heads().find((th) => th.textContent === name);
const column = (name) => {
    const at = heads().indexOf(head(name));
    return [...document.querySelectorAll("tbody tr")].map((tr) => tr.cells[at].textContent);
};
seen.errors = [];
window.addEventListener("error", (e) => seen.errors.push(e.message));
head("ms").firstChild.click();
seen.down = column("ms").map(Number);
seen.down_is = head("ms").getAttribute("aria-sort");
head("ms").firstChild.click();
seen.up = column("ms").map(Number);
seen.up_is = head("ms").getAttribute("aria-sort");
head("kernel").firstChild.click();
seen.names = column("kernel");
const mark = document.querySelector(".mark");
mark.dispatchEvent(new MouseEvent("mouseenter"));
seen.tip = document.getElementById("tip").textContent;
seen.tip_is = document.getElementById("tip").style.display;
seen.lit = document.querySelectorAll("tr.lit").length;
mark.dispatchEvent(new MouseEvent("mouseleave"));
seen.tip_then = document.getElementById("tip").style.display;
seen.marks = document.querySelectorAll(".mark").length;
seen.titles = [...document.querySelectorAll("svg .title")].map((t) => t.textContent);
seen.axes = [...document.querySelectorAll("svg text[text-anchor='middle']")].map(
    (t) => Number(t.textContent)).filter((n) => n > 0);
seen.second = heads()[1].textContent;
seen.heads = heads().map((th) => th.textContent);
seen.plot = document.querySelector("#plot svg").getBoundingClientRect().width;
seen.page = document.documentElement.scrollWidth - document.documentElement.clientWidth;
seen.changes = document.getElementById("changes").textContent;
seen.change = head("change") ? column("change") : [];
const filter = document.getElementById("filter");
filter.value = "no such kernel";
filter.dispatchEvent(new Event("input"));
seen.filtered = document.querySelectorAll("tbody tr").length;
/* What choosing a file on the page does, with one in which all was a hundred times as fast. */
seen.counts = compare(run.cases, run.cases.map(
    (c) => ({...c, spread: 0.01, median_ms: c.median_ms / 100})));
document.body.appendChild(document.createElement("pre")).id = "seen";
document.getElementById("seen").textContent = JSON.stringify(seen);
</script>
SCRIPT
for page in a b; do
    cat $page.html use.js > $page-used.html
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --window-size=400,900 \
        --user-data-dir="$work/browser" --dump-dom "file://$work/$page-used.html" \
        > $page.dom 2> $page.log
done
cat > seen.py << 'PYTHON'
import html, json, re


def seen(name):
    found = re.search(r'<pre id="seen">(.*?)</pre>', open(name + ".dom").read(), re.S)
    assert found, open(name + ".log").read()[-2000:]
    return json.loads(html.unescape(found.group(1)))


cases = json.load(open("old.json"))["cases"]
a, b = seen("a"), seen("b")
for s in a, b:
    assert not s["errors"], s["errors"]
    assert s["down"] == sorted(s["down"], reverse=True) and s["down_is"] == "descending", s
    assert s["up"] == sorted(s["up"]) and s["up_is"] == "ascending", s
    assert s["names"] == sorted(s["names"]) and len(s["names"]) == len(cases), s
    assert len(s["up"]) == len(cases) > 1 and all(x > 0 for x in s["up"]), s
    assert s["marks"] == len(cases), s
    assert "softmax" in s["tip"] and "GFLOP/s" in s["tip"] and s["tip_is"] == "block", s
    assert s["lit"] == 1 and s["tip_then"] == "none" and s["filtered"] == 0, s
    assert s["counts"]["slower"] == len(cases), s
    # Few decades: there are marks between them.  Nothing but the shape tells these cases apart.
    assert len(s["axes"]) >= 3 or max(s["axes"]) >= 100 * min(s["axes"]), s
    assert s["second"] == "shape", s
    assert len(s["titles"]) == 2 and "intensity" in s["titles"][0], s
    # In a narrow window the plot stays legible, and it and the table scroll, not the page.
    assert s["plot"] > 600 and s["page"] <= 0, s
assert "change" not in a["heads"], a
assert b["heads"].index("change") < b["heads"].index("GFLOP/s"), b
assert a["changes"] == "" and a["change"] == [], a
assert "Against" in b["changes"] and b["change"].count("faster") >= 1, b
PYTHON
check "the table sorts, the roofline answers, runs are compared" python3 seen.py
finish
