use proptest::prelude::*;

use super::*;
use crate::bridge::seal::Key;

const OLD: Key = [1; 32];
const NEW: Key = [2; 32];
const NONCE: Nonce = [3; 24];
const PARAMS: &str = r#"{"name":"book","arguments":{"a":1}}"#;

fn keys(keys: &[Key]) -> Keys {
    Keys::new(keys).unwrap()
}

fn server(name: &str) -> ServerName {
    ServerName::new(name).unwrap()
}

fn bond<'a>(server: &'a ServerName, principal: &'a Principal) -> Bond<'a> {
    Bond { server, principal, method: Method::ToolsCall, params: digest(Some(PARAMS)) }
}

fn all() -> [Ticket; 5] {
    [
        Ticket::Child { state: Some("\"Q1 \\u00fc ü\"".into()) },
        Ticket::Child { state: Some("\"\"".into()) },
        Ticket::Child { state: None },
        Ticket::Suspended { slot: u64::MAX, call: CallId(7), round: 16 },
        Ticket::Visited,
    ]
}

#[test]
fn what_was_sealed_comes_back() {
    let (keys, git, me) = (keys(&[OLD]), server("git"), Principal::anonymous());
    for ticket in all() {
        let text = ticket.seal(&keys, &bond(&git, &me), 100, NONCE).unwrap();
        assert!(text.starts_with("sd1."));
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{text}");
        assert_eq!(Ticket::open(&keys, &bond(&git, &me), 99, &text), Some(ticket));
    }
}

#[test]
fn a_ticket_ends_when_its_time_has_come() {
    let (keys, git, me) = (keys(&[OLD]), server("git"), Principal::anonymous());
    let text = Ticket::Visited.seal(&keys, &bond(&git, &me), 100, NONCE).unwrap();
    for (now_us, opens) in [(0, true), (99, true), (100, false), (u64::MAX, false)] {
        let opened = Ticket::open(&keys, &bond(&git, &me), now_us, &text);
        assert_eq!(opened.is_some(), opens, "at {now_us}");
    }
}

#[test]
fn a_ticket_is_for_one_request_of_one_principal_on_one_server() {
    let keys = keys(&[OLD]);
    let (git, time) = (server("git"), server("time"));
    let (me, other) = (Principal::anonymous(), Principal::new("other"));
    let bond = bond(&git, &me);
    let text = Ticket::Visited.seal(&keys, &bond, 100, NONCE).unwrap();
    for (elsewhere, what) in [
        (Bond { server: &time, ..bond }, "server"),
        (Bond { principal: &other, ..bond }, "principal"),
        (Bond { method: Method::PromptsGet, ..bond }, "method"),
        (Bond { params: digest(Some(r#"{"name":"book"}"#)), ..bond }, "arguments"),
        (Bond { params: digest(None), ..bond }, "no arguments"),
    ] {
        assert_eq!(Ticket::open(&keys, &elsewhere, 0, &text), None, "another {what}");
    }
    assert!(Ticket::open(&keys, &bond, 0, &text).is_some());
}

#[test]
fn parts_of_a_bond_do_not_run_into_one_another() {
    let (ab, a) = (server("ab"), server("a"));
    let (c, bc) = (Principal::new("c"), Principal::new("bc"));
    assert_ne!(bond(&ab, &c).purpose(), bond(&a, &bc).purpose());
}

#[test]
fn other_seals_of_the_daemon_are_no_tickets() {
    let (keys, git, me) = (keys(&[OLD]), server("git"), Principal::anonymous());
    let written = Ticket::Visited.write(100);
    for purpose in [&b"session\0git\0anonymous"[..], b"", b"ticket\0git\0anonymous"] {
        let sealed = keys.seal(purpose, NONCE, &written);
        for text in [format!("sd1.{sealed}"), sealed] {
            assert_eq!(Ticket::open(&keys, &bond(&git, &me), 0, &text), None);
        }
    }
    let ticket = Ticket::Visited.seal(&keys, &bond(&git, &me), 100, NONCE).unwrap();
    let sealed = ticket.strip_prefix("sd1.").unwrap();
    assert_eq!(keys.open(b"session\0git\0anonymous", sealed), None);
}

#[test]
fn a_new_key_seals_and_the_old_one_still_opens() {
    let (git, me) = (server("git"), Principal::anonymous());
    let bond = bond(&git, &me);
    let before = Ticket::Visited.seal(&keys(&[OLD]), &bond, 100, NONCE).unwrap();
    let after = Ticket::Visited.seal(&keys(&[NEW, OLD]), &bond, 100, NONCE).unwrap();
    for (with, text, opens) in [
        (&[NEW, OLD][..], &before, true),
        (&[NEW], &before, false),
        (&[NEW], &after, true),
        (&[OLD], &after, false),
    ] {
        assert_eq!(Ticket::open(&keys(with), &bond, 0, text).is_some(), opens);
    }
}

#[test]
fn nothing_altered_or_cut_opens() {
    let (keys, git, me) = (keys(&[OLD]), server("git"), Principal::anonymous());
    let bond = bond(&git, &me);
    let text = all()[0].seal(&keys, &bond, 100, NONCE).unwrap();
    for end in 0..text.len() {
        assert_eq!(Ticket::open(&keys, &bond, 0, &text[..end]), None, "cut at {end}");
    }
    for place in 0..text.len() {
        let mut altered = text.clone();
        let other = if &text[place..=place] == "A" { "B" } else { "A" };
        altered.replace_range(place..=place, other);
        assert_eq!(Ticket::open(&keys, &bond, 0, &altered), None, "changed at {place}");
    }
    for text in [format!("{text}="), format!("{text}A"), format!(" {text}"), text.to_lowercase()] {
        assert_eq!(Ticket::open(&keys, &bond, 0, &text), None);
    }
    for text in ["", "sd1.", "sd2.AAAA", "sd1.!", "tampered-state", "sd1.ü"] {
        assert_eq!(Ticket::open(&keys, &bond, 0, text), None);
    }
}

#[test]
fn what_is_not_understood_is_no_ticket() {
    for ticket in all() {
        let sound = ticket.write(5);
        assert_eq!(Ticket::read(&sound), Some((5, ticket.clone())));
        for (place, odd) in [(0, 2), (9, 9)] {
            let mut bytes = sound.clone();
            bytes[place] = odd;
            assert_eq!(Ticket::read(&bytes), None, "{odd} at {place} of {ticket:?}");
        }
        let longer = [&sound[..], b"\xff"].concat();
        assert_eq!(Ticket::read(&longer), None, "{ticket:?} with one byte more");
    }
}

#[test]
fn a_child_may_say_much_but_not_everything() {
    let (keys, git, me) = (keys(&[OLD]), server("git"), Principal::anonymous());
    let bond = bond(&git, &me);
    let of_length = |length: usize| Ticket::Child { state: Some("x".repeat(length).into()) };
    let longest = of_length(Ticket::STATE_BYTES_MAX);
    let text = longest.seal(&keys, &bond, 100, NONCE).unwrap();
    assert_eq!(Ticket::open(&keys, &bond, 0, &text), Some(longest));
    assert_eq!(of_length(Ticket::STATE_BYTES_MAX + 1).seal(&keys, &bond, 100, NONCE), None);
    assert_eq!(Ticket::open(&keys, &bond, 0, &format!("sd1.{}", "A".repeat(2 * LENGTH_MAX))), None);
}

#[test]
fn rounds_of_one_request_have_one_digest() {
    let first = digest(Some(PARAMS));
    for again in [
        r#"{"arguments":{"a":1},"name":"book"}"#,
        r#" { "name" : "b\u006fok", "arguments":{ "a":1 } } "#,
        r#"{"name":"book","arguments":{"a":1},"_meta":{"progressToken":2},"inputResponses":{"x":{}},"requestState":"s"}"#,
        r#"{"inputR\u0065sponses":{},"name":"book","arguments":{"a":1},"_meta":1,"_meta":2}"#,
    ] {
        assert_eq!(digest(Some(again)), first, "{again}");
    }
    for other in [
        r#"{"name":"book","arguments":{"a":2}}"#,
        r#"{"name":"book","arguments":{"a":1.0}}"#,
        r#"{"name":"book","arguments":{"a":"1"}}"#,
        r#"{"name":"book","arguments":{"a":1,"_meta":{}}}"#,
        r#"{"name":"book","arguments":{"a":1},"arguments":{"a":1}}"#,
        r#"{"name":"book","name":"x","arguments":{"a":1}}"#,
        r#"{"name":"Book","arguments":{"a":1}}"#,
        r#"{"name":"book"}"#,
    ] {
        assert_ne!(digest(Some(other)), first, "{other}");
    }
}

#[test]
fn no_parameters_are_as_good_as_empty_ones() {
    let none = digest(None);
    for empty in ["{}", " { } ", "null", " null ", r#"{"_meta":{"x":1}}"#] {
        assert_eq!(digest(Some(empty)), none, "{empty}");
    }
    for other in ["[]", "\"null\"", "{\"a\":null}", "\"{}\""] {
        assert_ne!(digest(Some(other)), none, "{other}");
    }
}

#[test]
fn deep_parameters_are_no_danger() {
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(digest(Some(&deep("1"))), digest(Some(&deep("1"))));
    assert_ne!(digest(Some(&deep("1"))), digest(Some(&deep("2"))));
}

proptest! {
    #[test]
    fn a_child_gets_its_own_bytes_back(state in any::<String>(), expires_us in 1..u64::MAX) {
        let (keys, git, me) = (keys(&[NEW, OLD]), server("git"), Principal::new("me"));
        let bond = bond(&git, &me);
        let state: Box<str> = crate::wire::raw::quoted(&state).into();
        let ticket = Ticket::Child { state: Some(state) };
        let text = ticket.seal(&keys, &bond, expires_us, NONCE).unwrap();
        prop_assert_eq!(Ticket::open(&keys, &bond, expires_us - 1, &text), Some(ticket));
        prop_assert_eq!(Ticket::open(&keys, &bond, expires_us, &text), None);
    }

    #[test]
    fn no_text_makes_it_fail(text in any::<String>(), near in "sd1\\.[A-Za-z0-9_-]{0,200}") {
        let (keys, git, me) = (keys(&[OLD]), server("git"), Principal::anonymous());
        prop_assert_eq!(Ticket::open(&keys, &bond(&git, &me), 0, &text), None);
        prop_assert_eq!(Ticket::open(&keys, &bond(&git, &me), 0, &near), None);
        digest(Some(&text));
    }
}
