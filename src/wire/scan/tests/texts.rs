//! Texts to hold the scanner against its predecessor with: sound messages, and what becomes of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Texts that are as long as a block, or nearly so, with something in them that asks for a second look.
fn long_text() -> impl Strategy<Value = String> {
    let size = prop_oneof![0_usize..12, 28_usize..36, 60_usize..68, 92_usize..100, 120_usize..200];
    let odd = select(vec![
        "",
        "",
        "\\\"",
        "\\\\",
        "\\n",
        "\\u00e9",
        "\\ud800",
        "\\ud83d\\ude00",
        "é",
        "😀",
        "\u{7f}",
        "!",
        "#",
        " ",
        "\u{80}",
        "\\/",
        "]",
        "[",
        "[^",
    ]);
    (size, odd, any::<Index>()).prop_map(|(size, odd, at)| {
        let at = at.index(size + 1);
        format!("\"{}{odd}{}\"", "x".repeat(at), "y".repeat(size - at))
    })
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "7",
            "-1.5e-3",
            "1E+400",
            "0.0",
            "12345678901234567890123",
            "\"2.0\"",
            "\"\"",
            "{}",
            "[]",
            "[ ]",
            "{\n}",
        ])
        .prop_map(str::to_owned),
        long_text(),
    ];
    leaf.prop_recursive(5, 24, 5, |part| {
        prop_oneof![
            (vec(part.clone(), 0..5), blank()).prop_map(|(parts, blank)| {
                format!("[{blank}{}{blank}]", parts.join(&format!("{blank},")))
            }),
            (vec((name(), part), 0..6), blank())
                .prop_map(|(members, blank)| { object(&members, &blank) }),
        ]
    })
}

fn blank() -> impl Strategy<Value = String> {
    select(vec!["", "", "", " ", "\n", "\r\n\t", "    "]).prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(vec![
            "\"a\"", "\"_meta\"", "\"name\"", "\"uri\"", "\"requestId\"", "\"task\"", "\"level\"", "\"n\\u0061me\"",
            "\"x\"", "\"\\ud800\"", "\"arguments\"",
        ])
        .prop_map(str::to_owned),
        1 => long_text(),
    ]
}

fn object(members: &[(String, String)], blank: &str) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{name}{blank}:{blank}{value}")).collect();
    format!("{{{blank}{}{blank}}}", members.join(","))
}

fn message() -> impl Strategy<Value = String> {
    let opening = select(vec![
        r#"{"jsonrpc":"2.0","#,
        r#"{"jsonrpc":"2.0","#,
        r#"{ "jsonrpc" : "2.0","#,
        r#"{"json\u0072pc":"2.0","#,
        r#"{"jsonrpc":"2.1","#,
        r#"{"jsonrpc":"2.0"#,
        "{",
    ]);
    let top = select(vec![
        "\"id\"",
        "\"method\"",
        "\"params\"",
        "\"result\"",
        "\"error\"",
        "\"\\u0069d\"",
        "\"jsonrpc\"",
        "\"x\"",
        "\"\\udc00\"",
    ]);
    let kind = select(vec![
        r#""method":"tools/call","id":1"#,
        r#""id":"a","method":"notifications\/progress""#,
        r#""method":"x""#,
        r#""id":7,"result":{}"#,
        r#""error":{"code":1}"#,
        r#""id":3"#,
    ]);
    let params = prop_oneof![
        3 => (vec((name(), value()), 0..8), blank())
            .prop_map(|(members, blank)| format!(r#","params":{}"#, object(&members, &blank))),
        1 => Just(String::new()),
    ];
    let more = vec((top, value()), 0..2);
    (opening, kind, params, more, blank()).prop_map(|(opening, kind, params, more, blank)| {
        let more: Vec<String> =
            more.iter().map(|(name, value)| format!(",{blank}{name}:{value}")).collect();
        format!("{opening}{blank}{kind}{blank}{params}{}}}", more.concat())
    })
}

/// Texts that a peer might send.
pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => message(),
        1 => vec(message(), 0..3).prop_map(|parts| format!("[{}]", parts.join(" ,"))),
        1 => value(),
    ]
}

/// What a text is changed by: bytes are flipped, put in, taken out, or it ends there.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Flip(u8),
    Insert(&'static [u8]),
    Remove,
    End,
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    const ODD: [&[u8]; 24] = [
        b"\"",
        b"\\",
        b"\n",
        b"\x00",
        b"\x1f",
        b"\x20",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xc3\xa9",
        b"\xed\xa0\x80",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"0",
        b"-",
        b".",
        b"e",
        b"\\u",
        b"\xc3",
        b"true",
    ];
    prop_oneof![
        2 => (0_u32..8).prop_map(|bit| Change::Flip(1 << bit)),
        4 => select(ODD.to_vec()).prop_map(Change::Insert),
        1 => Just(Change::Remove),
        1 => Just(Change::End),
    ]
}

pub(super) fn changed(text: String, changes: &[(Index, Change)]) -> Vec<u8> {
    let mut text = text.into_bytes();
    for (at, change) in changes {
        if text.is_empty() {
            break;
        }
        let at = at.index(text.len());
        match change {
            Change::Flip(bits) => text[at] ^= bits,
            Change::Insert(bytes) => drop(text.splice(at..at, bytes.iter().copied())),
            Change::Remove => drop(text.remove(at)),
            Change::End => text.truncate(at),
        }
    }
    text
}
