use proptest::prelude::*;

use super::*;

/// Everything `lines` gives for `input` handed over in pieces of `sizes`, in turn.
fn cut(limit: usize, input: &[u8], sizes: &[usize]) -> Vec<Line> {
    let mut lines = Lines::new(limit);
    let mut found = Vec::new();
    let mut sizes = sizes.iter().copied().cycle();
    let mut rest = input;
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        lines.space().extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        while let Some(line) = lines.next_line() {
            found.push(line);
        }
    }
    found.extend(lines.end());
    found
}

fn whole(text: &'static str) -> Line {
    Line::Whole(Bytes::from_static(text.as_bytes()))
}

#[test]
fn lines_end_with_or_without_a_carriage_return_and_blank_ones_vanish() {
    let found = cut(100, b"one\ntwo\r\n\n  \t\r\n\r\nthree\r\r\n", &[1000]);
    assert_eq!(found, [whole("one"), whole("two"), whole("three\r")]);
}

#[test]
fn half_a_line_at_the_end_is_told_apart() {
    assert_eq!(
        cut(100, b"one\n{\"id\":", &[3]),
        [whole("one"), Line::Cut(Bytes::from_static(b"{\"id\":"))]
    );
    assert_eq!(cut(100, b"one\n \r", &[3]), [whole("one")]);
}

#[test]
fn a_line_of_exactly_the_limit_is_whole_and_one_more_byte_is_not() {
    for end in ["\n", "\r\n"] {
        for sizes in [[1], [4], [1000]] {
            let exact = cut(8, format!("12345678{end}x\n").as_bytes(), &sizes);
            assert_eq!(exact, [whole("12345678"), whole("x")]);
            let beyond = cut(8, format!("123456789{end}x\n").as_bytes(), &sizes);
            let text = Bytes::from_static(b"123456789");
            assert_eq!(
                beyond,
                [Line::Overlong { head: text.clone(), tail: text, length: 9 }, whole("x")]
            );
        }
    }
}

#[test]
fn an_overlong_line_keeps_its_two_ends() {
    let mut input = vec![b'a'; KEPT];
    input.extend(vec![b'-'; 50_000]);
    input.extend(vec![b'z'; KEPT]);
    let length = input.len() as u64;
    input.extend(b"\r\nnext\n");
    for sizes in [[1], [777], [1_000_000]] {
        let found = cut(10_000, &input, &sizes);
        assert_eq!(found.len(), 2);
        let Line::Overlong { head, tail, length: counted } = &found[0] else {
            panic!("expected an overlong line");
        };
        assert_eq!(*counted, length);
        assert_eq!(head, &vec![b'a'; KEPT]);
        assert!(tail.len() >= KEPT - 1 && tail.iter().all(|byte| *byte == b'z'));
        assert_eq!(found[1], whole("next"));
    }
}

#[test]
fn an_overlong_line_cut_by_the_end_has_no_tail() {
    for sizes in [[1], [1000]] {
        assert_eq!(
            cut(4, b"{\"id\":5}", &sizes),
            [Line::Overlong {
                head: Bytes::from_static(b"{\"id\":5}"),
                tail: Bytes::new(),
                length: 8
            }]
        );
    }
}

#[test]
fn a_hundred_mebibytes_pass_in_little_memory_and_the_next_line_is_fine() {
    let limit = 1024 * 1024;
    let mut lines = Lines::new(limit);
    let chunk = vec![b'x'; CHUNK];
    let mut most = 0;
    for _ in 0..1600 {
        lines.space().extend_from_slice(&chunk);
        most = most.max(lines.buffer.len());
        assert_eq!(lines.next_line(), None);
    }
    assert!(most <= limit + 1 + CHUNK, "{most} bytes were held");
    assert!(lines.space().capacity() <= 2 * CHUNK, "the grown buffer was given back");
    lines.space().extend_from_slice(b"\nshort\n");
    let Some(Line::Overlong { length, .. }) = lines.next_line() else {
        panic!("expected an overlong line");
    };
    assert_eq!(length, 1600 * CHUNK as u64);
    assert_eq!(lines.next_line(), Some(whole("short")));
}

#[test]
fn many_short_lines_share_one_allocation() {
    let mut lines = Lines::new(1000);
    let mut starts = Vec::new();
    for _ in 0..100 {
        lines.space().extend_from_slice(b"0123456789\n");
        let Some(Line::Whole(line)) = lines.next_line() else { panic!("expected a line") };
        starts.push(line.as_ptr() as usize);
    }
    assert!(starts.windows(2).all(|pair| pair[1] == pair[0] + 11));
}

proptest! {
    #[test]
    fn how_the_bytes_arrive_does_not_matter(
        input in proptest::collection::vec(prop_oneof![
            Just(b'\n'), Just(b'\r'), Just(b' '), Just(b'a'), Just(b'b'),
        ], 0..200),
        sizes in proptest::collection::vec(1usize..20, 1..5),
        limit in 1usize..12,
    ) {
        prop_assert_eq!(cut(limit, &input, &sizes), cut(limit, &input, &[1000]));
    }
}
