"""HTML manuals to sections."""

from bench.sets.sections import Section, sections


def test_a_section_is_a_heading_and_the_text_up_to_the_next() -> None:
    page = (
        "<body><h1>The pond</h1><p>It is  deep\nand cold.</p><h2>2.1. Skating?</h2>"
        "<div>In <code>January</code>.</div><h2>Fish</h2></body>"
    )

    assert sections(page) == [
        Section("", ""),
        Section("The pond", "It is deep and cold."),
        Section("Skating?", "In January."),
        Section("Fish", ""),
    ]


def test_navigation_and_tables_of_contents_are_left_out() -> None:
    page = (
        "<head><title>When?</title></head>"
        "<div class='toc'><div>When?</div> and <div>Why?</div></div>"
        "<nav>When?</nav><h2>When?<a class='headerlink' href='#x'>¶</a></h2><p>Now.</p>"
    )

    assert sections(page) == [Section("", ""), Section("When?", "Now.")]


def test_code_keeps_its_lines_and_paragraphs_stay_apart() -> None:
    page = "<h1>Run</h1><p>Type:</p><pre>one\n  two</pre><p>Then&nbsp;wait.</p>"

    (_, section) = sections(page)

    assert section.text == "Type:\n\none\n  two\n\nThen wait."


def test_numbers_of_chapters_are_no_part_of_a_title() -> None:
    page = "<h1>Chapter 7. Pools</h1><h2>7.1. Kapitel</h2><h2>Kapitel 2. Teiche</h2><h2>2026</h2>"

    titles = [section.title for section in sections(page)]

    assert titles == ["", "Pools", "Kapitel", "Teiche", "2026"]
