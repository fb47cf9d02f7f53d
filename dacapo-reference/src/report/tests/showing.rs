use super::*;

#[test]
fn two_parties_each_show_their_line() {
    let expected = "\
error[race_in_workgroup]: two invocations touch the same element without a barrier between them
  --> scan:12:5
   |
12 |     shared[lane] = a;
   |     ^^^^^^^^^^^^ written here
   = by: dispatch 3 `layer 0/scan`, workgroup (2, 0, 0), invocation (5, 1, 0)
   = memory: `shared[5]` of the workgroup
  ::: scan:9:13
   |
 9 |     let a = shared[lane + 1];
   |             ^^^^^^^^^^^ read here
   = by: dispatch 3 `layer 0/scan`, workgroup (2, 0, 0), invocation (4, 1, 0)
   = hint: a workgroupBarrier() between the two orders them
   = count: 12 times; the first is shown";
    assert_eq!(race().to_string(), expected);
}

#[test]
fn a_buffer_says_which_bytes_of_which_slot() {
    let at = site(7, 12, 7, "    return data[i];");
    let report = Report {
        place: buffer(Some(1)),
        hint: "compare with arrayLength".into(),
        ..report(
            Kind::OutOfBounds,
            "a read beyond the binding",
            party(Some(Access::Read), at),
        )
    };
    let expected = "\
error[out_of_bounds]: a read beyond the binding
 --> scan:7:12
  |
7 |     return data[i];
  |            ^^^^^^^ read here
  = by: dispatch 3 `layer 0/scan`, workgroup (2, 0, 0), invocation (5, 1, 0)
  = memory: bytes 512..516 of buffer `scores`, bound 256..512 at slot 1
  = hint: compare with arrayLength";
    assert_eq!(report.to_string(), expected);
}

#[test]
fn a_command_has_neither_source_nor_invocations() {
    let mut copy = party(Some(Access::Write), None);
    copy.kernel = "copy".into();
    copy.label = "".into();
    (copy.workgroup, copy.invocation) = ([0; 3], [0; 3]);
    let at = site(7, 5, 7, "    data[i] = 1;");
    let report = Report {
        other: Some(party(Some(Access::Atomic), at)),
        place: buffer(None),
        ..report(Kind::RaceBetweenDispatches, "no barrier between them", copy)
    };
    let expected = "\
error[race_between_dispatches]: no barrier between them
 --> copy
  = by: dispatch 3
  = memory: bytes 512..516 of buffer `scores`
 ::: scan:7:5
  |
7 |     data[i] = 1;
  |     ^^^^^^^ atomic here
  = by: dispatch 3 `layer 0/scan`, workgroup (2, 0, 0), invocation (5, 1, 0)";
    assert_eq!(report.to_string(), expected);
}

#[test]
fn what_touches_no_memory_has_a_bare_mark() {
    let at = site(100, 9, 5, "let x = a / b;");
    let report = Report {
        place: Some(Place::Private {
            variable: "x".into(),
        }),
        ..report(Kind::Arithmetic, "a division by zero", party(None, at))
    };
    let expected = "\
error[arithmetic]: a division by zero
   --> scan:100:9
    |
100 | let x = a / b;
    |         ^^^^^
    = by: dispatch 3 `layer 0/scan`, workgroup (2, 0, 0), invocation (5, 1, 0)
    = memory: `x` of the invocation";
    assert_eq!(report.to_string(), expected);
}

#[test]
fn colours_are_asked_for_and_end() {
    let style = Style {
        colour: true,
        ..Style::default()
    };
    let coloured = race().text(style).to_string();
    assert!(coloured.starts_with("\x1b[1;31merror[race_in_workgroup]\x1b[0m\x1b[1m: two"));
    let (mut plain, mut open) = (String::new(), false);
    for (at, piece) in coloured.split('\x1b').enumerate() {
        let (code, text) = match at {
            0 => ("[0m", piece),
            _ => piece.split_at(piece.find('m').unwrap() + 1),
        };
        assert!(
            code == "[0m" || !open,
            "{code} inside another colour: {piece}"
        );
        open = code != "[0m";
        plain += text;
    }
    assert!(!open);
    assert_eq!(plain, race().to_string());
}

#[test]
fn text_from_outside_cannot_steer_the_terminal() {
    let line = "\tx\u{1b}[2J = \u{202e}y;\u{7}";
    let mut bad = report(
        Kind::NotFinite,
        "\u{1b}]0;title\u{7}\nline",
        party(None, site(1, 2, 1, line)),
    );
    bad.party.kernel = "k\r\u{1b}".into();
    bad.party.label = "l\u{9b}".into();
    bad.hint = "h\u{8}".into();
    bad.place = Some(Place::Private {
        variable: "v\u{1b}".into(),
    });
    let text = bad.to_string();
    assert!(
        text.chars().all(|char| char == '\n' || !char.is_control()),
        "{text:?}"
    );
    assert!(!text.contains('\u{202e}'));
    assert_eq!(text.lines().count(), 8, "{text}");
    assert!(text.contains("1 |     x\u{fffd}[2J"), "{text}");
    assert!(text.contains("\n  |     ^\n"), "{text}");
}

#[test]
fn marks_stand_under_wide_and_combining_characters() {
    let text = |line: &str, column| {
        report(Kind::Arithmetic, "m", party(None, site(1, column, 1, line))).to_string()
    };
    // Two characters of two columns each, then `q`.
    let wide = text("界界q", 3);
    assert!(wide.contains("\n  |     ^\n"), "{wide}");
    // `e` with a combining accent takes one column.
    let combining = text("e\u{301}q", 3);
    assert!(combining.contains("\n  |  ^\n"), "{combining}");
    // A wide character is marked whole.
    let marked = text("a界", 2);
    assert!(marked.contains("\n  |  ^^\n"), "{marked}");
}

#[test]
fn long_lines_are_cut_around_the_mark() {
    let style = Style {
        columns: 60,
        ..Style::default()
    };
    let line = format!("    {}target{}", "a + ".repeat(5_000), " + b".repeat(5_000));
    for (column, length) in [
        (1, 1),
        (20_005, 6),
        (40_000, 4),
        (20_005, 9_000),
        (50_000, 3),
        (u32::MAX, u32::MAX),
    ] {
        let at = site(1, column, length, &line);
        let text = report(Kind::Arithmetic, "m", party(None, at))
            .text(style)
            .to_string();
        let mut lines = text.lines().skip(3);
        let (source, mark) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(source.len() < 68, "{source}");
        assert!(
            mark.contains('^') && mark.len() <= source.len() + 1,
            "{text}"
        );
        if (column, length) == (20_005, 6) {
            let at = mark.find('^').unwrap();
            assert_eq!(&source[at..at + 6], "target");
            assert_eq!(mark.len(), at + 6, "{text}");
            assert!(
                source.contains("| ...") && source.ends_with("..."),
                "{source}"
            );
        }
    }
}
