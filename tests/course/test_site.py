"""The course as pages and as slides: complete, folded, readable offline, no link without an end."""

import json
import re
from html import unescape

import nbformat
import pytest

from authoring.links import check_pages
from authoring.pages import build_site
from authoring.slides import REVEAL, build_slides
from authoring.sources import read_source, to_text
from nbnet_lib.cli import main
from nbnet_lib.course.quizzes import load_quiz
from nbnet_lib.errors import NbnetError

FIRST = """# %% [markdown] tags=["slide"]
# # 01 First & best
#
# **What does `it` ask?**
#
# | | |
# |---|---|
# | Time | 5 minutes |
#
# See [a part](#Again), [next](02_second.ipynb), [guide](../guides/walk.md#Steps),
# [card](../README.md) and [paper](https://arxiv.org/abs/1703.00832).

# %% tags=["parameters"]
profile = "auto"

# %% [markdown]
# ### Exercise 1.1 ★ made

# %% tags=["slide", "show-code"]
def double(x):
    ### BEGIN SOLUTION
    the_answer = x + x
    return the_answer
    ### END SOLUTION


check("1.1", double)

# %% [markdown] tags=["notes"]
# Ask the room.

# %% tags=["subslide"]
hidden_code = 1

# %% [markdown] tags=["fragment"]
# ## Again

# %% [markdown]
# ## Again

# %%
quiz("02")
"""
SECOND = """# %% [markdown] tags=["slide"]
# # 02 Second
#
# **More?**

# %% tags=["parameters"]
profile = "auto"
"""
GUIDE = (
    "# A walk\n\n## Steps\n\n![a face](pictures/face.png) and [back](../solutions/01_first.ipynb)\n"
)
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


@pytest.fixture
def root(tmp_path):
    """A course of two chapters and a guide, with outputs that were never computed."""
    for name in ("solutions", "guides/pictures"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "README.md").write_text("here")
    (tmp_path / "guides" / "walk.md").write_text(GUIDE)
    (tmp_path / "guides" / "pictures" / "face.png").write_bytes(b"png")
    for name, text in {"01_first": FIRST, "02_second": SECOND}.items():
        (tmp_path / "solutions" / f"{name}.py").write_text(text, encoding="utf-8")
        store(tmp_path, name)
    return tmp_path


def store(root, name):
    notebook = read_source(root / "solutions" / f"{name}.py")
    for cell in notebook.cells:
        if "check(" in cell.source or "hidden_code" in cell.source:
            text = "[PASS] 1.1\nMove the controls below (they need a kernel).\n"
            alt = {"image/png": {"alt": 'a "curve" & more'}}
            cell.outputs = [
                nbformat.v4.new_output("stream", name="stdout", text=text),
                nbformat.v4.new_output("display_data", {"image/png": PIXEL}, metadata=alt),
            ]
    (root / "solutions" / f"{name}.ipynb").write_text(to_text(notebook), encoding="utf-8")


def change(root, old, new, name="01_first"):
    path = root / "solutions" / f"{name}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    store(root, name)


def test_the_course_has_a_page_for_each_chapter_guide_and_the_map(root, tmp_path):
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "09_old.html").write_text("<a href='nowhere.html'>")  # of an earlier run
    made = build_site(tmp_path / "html", root=root)
    assert made["pages"] == ["index.html", "01_first.html", "02_second.html", "walk.html"]
    assert made["pictures"] == ["face.png"] and (tmp_path / "html/pictures/face.png").is_file()
    index = (tmp_path / "html" / "index.html").read_text()
    assert '<a href="01_first.html">01 First &amp; best</a>' in index
    assert "What does <code>it</code> ask?" in index and "5 minutes" in index
    assert re.search(r'href="01_first.html#Exercise-1.1-%E2%98%85-made">1.1 .*★', index)
    page = (tmp_path / "html" / "01_first.html").read_text()
    assert '<html lang="en">' in page and page.count("<h1") == 1
    assert 'href="02_second.html"' in page and 'href="walk.html#Steps"' in page
    assert 'rel="next"' in page and 'aria-current="page"' in page
    assert "card" in page and "README.md" not in page  # not on the site: no link
    assert 'href="01_first.html"' in (tmp_path / "html" / "walk.html").read_text()
    assert 'href="#Again-2"' in page and 'id="Again-2"' in page  # two headings of the same name
    assert unescape(page).count('a "curve" & more') == 2 and "Move the" not in page
    assert 'aria-label="1 stars"' not in page and 'aria-label="1 star"' in page


def test_solutions_and_answers_are_folded(root, tmp_path):
    build_site(tmp_path / "html", root=root)
    page = (tmp_path / "html" / "01_first.html").read_text()
    solution = re.search(r'<details class="solution">(.*?)</details>', page, re.DOTALL).group(1)
    assert "the_answer" in solution and "Show a solution" in solution
    assert "the_answer" not in page.replace(solution, "") and "your code" in page
    assert "SOLUTION" not in page
    answers = re.findall(r'<details class="answer">(.*?)</details>', page, re.DOTALL)
    assert len(answers) == len(load_quiz("02"))
    assert all(f"<b>{q.right}.</b>" in a for q, a in zip(load_quiz("02"), answers, strict=True))


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("02_second.ipynb", "03_third.ipynb", "01_first.html links to 03_third.ipynb"),
        ("walk.md#Steps", "walk.md#Never", "there is no #Never"),
        ("../README.md", "../NEVER.md", "01_first.html links to ../NEVER.md"),
        ("https://arxiv.org/abs", "https://arxiv/abs", "not an address"),
        ("[card](../README.md)", "![x](https://a.org/x.png)", "loads https://a.org/x.png"),
        ("[card](../README.md)", "![ ](../guides/pictures/face.png)", "alternative text"),
    ],
)
def test_a_link_without_an_end_names_page_and_link(root, tmp_path, old, new, part):
    change(root, old, new)
    with pytest.raises(NbnetError, match=re.escape(part)):
        build_site(tmp_path / "html", root=root)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("<p>x", "does not say its language"),
        ('<html lang="en"><i id="a"></i><b id="a"></b>', "#a twice"),
        ('<html lang="en"><script src="//a.org/x.js"></script>', "from elsewhere"),
        ('<html lang="en"><link rel="stylesheet" href="https://a.org/x.css">', "from elsewhere"),
        ('<html lang="en"><style>a { background: url(https://a.org/x) }</style>', "from elsewhere"),
        ('<html lang="en"><p style="background: url(http://a.org/x)">', "from elsewhere"),
        ('<html lang="en"><a href="javascript:x()">x</a>', "not an address"),
        ('<html lang="en"><a href="other.html">x</a>', "which is not there"),
    ],
)
def test_the_check_of_pages_complains(tmp_path, text, part):
    (tmp_path / "x.html").write_text(text)
    assert part in "".join(check_pages(tmp_path))


@pytest.fixture
def reveal(tmp_path):
    """Files where reveal.js 4 has them."""
    for name in ("dist/reveal.css", "dist/reveal.js", "dist/theme/white.css"):
        (tmp_path / "reveal" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "reveal" / name).write_text("/* made */")
    (tmp_path / "reveal" / "plugin" / "notes").mkdir(parents=True)
    (tmp_path / "reveal" / "plugin" / "notes" / "notes.js").write_text("")
    return tmp_path / "reveal"


def test_slides_are_the_tagged_cells(root, tmp_path, reveal):
    made = build_slides(tmp_path / "slides", reveal=str(reveal), root=root)
    assert made["slides"] == {"01_first.slides.html": 3, "02_second.slides.html": 1}
    text = (tmp_path / "slides" / "01_first.slides.html").read_text()
    body = text[text.index('<div class="slides">') :]
    assert body.count("<section>") == body.count("</section>") == 2 + 3  # columns, slides
    assert "First &amp; best" in body and "<title>01 First &amp; best: slides</title>" in text
    assert "your code" in body and "the_answer" not in text  # show-code, and no solution
    assert "hidden_code" not in text and body.count("<img") == 2
    assert '<aside class="notes">' in body and "Ask the room" in body
    assert body.count('<div class="fragment">') == 1 and body.count('id="Again') == 1
    assert "#</a>" not in body and "Again</h2>" in body
    assert "profile" not in body and "Show the answer" not in body  # not tagged
    assert 'src="reveal.js/dist/reveal.js"' in text and "://" not in re.sub(
        r'<a [^>]*href="https[^>]*>', "", text
    )
    assert (tmp_path / "slides" / "reveal.js" / "dist" / "reveal.js").is_file()


def test_slides_load_reveal_from_an_address_too(root, tmp_path):
    build_slides(tmp_path / "slides", root=root, only=["02"])
    text = (tmp_path / "slides" / "02_second.slides.html").read_text()
    assert set(re.findall(r'(?:src|href)="(https://[^"]*?@[\d.]+)/', text)) == {REVEAL}


def test_what_slides_need_is_named(root, tmp_path):
    with pytest.raises(NbnetError, match="dist/reveal.css is missing"):
        build_slides(tmp_path / "slides", reveal=str(tmp_path), root=root)
    change(root, ' tags=["slide"]', "", "02_second")
    with pytest.raises(NbnetError, match="02_second.py has no cell tagged slide"):
        build_slides(tmp_path / "slides", root=root)


def test_the_commands(root, tmp_path, reveal, monkeypatch, capsys):
    monkeypatch.chdir(root)
    assert main(["html", "--output", str(tmp_path / "html")]) == 0
    assert capsys.readouterr().out.startswith("4 pages, 0.")
    arguments = ["--reveal", str(reveal), "--only", "01", "--output", str(tmp_path / "slides")]
    assert main(["slides", "--json", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["slides"] == {"01_first.slides.html": 3}
