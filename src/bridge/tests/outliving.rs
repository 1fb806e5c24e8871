//! Streams of changes whose child is followed by another.

use serde_json::json;

use super::child::{tools_changed, updated};
use super::eras::acknowledged;
use super::listens::{accept, caller, on_stream};
use super::modern::*;
use super::*;
use crate::wire::version::Era;

#[test]
fn t25_streams_outlive_their_child() {
    for era in [Era::Legacy, Era::Modern] {
        let mut pair = Pair::of(era);
        accept(&mut pair);
        let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["a:/x"]});
        let listen = pair.hears(&caller(), "L", &wanted);
        let first = pair.child.heard().pop().unwrap();
        if era == Era::Legacy {
            pair.drive();
        } else {
            pair.says(&acknowledged(&first["id"], &wanted));
        }
        assert_eq!(listen.letters.messages().len(), 1);
        pair.dies();
        if era == Era::Legacy {
            pair.ready();
            assert!(pair.child.methods().contains(&"resources/subscribe".to_owned()));
            pair.drive();
            let told = listen.letters.methods();
            assert_eq!(told[1..], ["notifications/tools/list_changed"], "it may be another now");
            pair.says(&updated("a:/x"));
        } else {
            pair.ready_modern();
            let again = pair.child.heard().pop().unwrap();
            assert_ne!(again["id"], first["id"]);
            pair.says(&acknowledged(&again["id"], &wanted));
            pair.says(&acknowledged(&again["id"], &wanted));
            let told = listen.letters.messages();
            assert_eq!(told.len(), 2, "it was told that already, and of the lists once");
            assert_eq!(told[1]["method"], "notifications/tools/list_changed");
            assert_eq!(told[1]["params"]["_meta"][SUBSCRIPTION], "L");
            let params = json!({"uri": "a:/x"});
            pair.says(&on_stream(&first["id"], "notifications/resources/updated", &params));
            pair.says(&on_stream(&again["id"], "notifications/resources/updated", &params));
        }
        let last = listen.letters.messages().pop().unwrap();
        assert_eq!(
            (&last["params"]["uri"], &last["params"]["_meta"][SUBSCRIPTION]),
            (&json!("a:/x"), &json!("L"))
        );
        assert_eq!(listen.letters.messages().len(), 3);
    }
}

#[test]
fn t25_a_stream_is_told_after_a_restart_of_what_it_hears_of_and_no_more() {
    let mut pair = Pair::modern();
    let all = json!({"toolsListChanged": true, "promptsListChanged": true});
    let first = json!({"toolsListChanged": true});
    let listen = pair.hears(&caller(), 7, &all);
    let asked = pair.child.one();
    pair.says(&acknowledged(&asked["id"], &first));
    for (honoured, told) in [(&all, 1), (&json!({"promptsListChanged": true}), 0), (&first, 1)] {
        let before = listen.letters.methods().len();
        pair.dies();
        pair.ready_modern();
        let again = pair.child.heard().pop().unwrap();
        let change = on_stream(&again["id"], "notifications/tools/list_changed", &json!({}));
        pair.says(&change);
        assert_eq!(listen.letters.methods().len(), before, "nothing comes before its word");
        pair.says(&acknowledged(&again["id"], honoured));
        let methods = listen.letters.methods();
        assert_eq!(methods[before..], ["notifications/tools/list_changed"; 1][..told]);
    }
}

#[test]
fn t25_a_stream_goes_on_when_the_next_child_is_of_the_other_era() {
    let mut pair = Pair::modern();
    accept(&mut pair);
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["a:/x", "a:/y"]});
    let honoured = json!({"toolsListChanged": true, "resourceSubscriptions": ["a:/x"]});
    let listen = pair.hears(&caller(), "L", &wanted);
    let asked = pair.child.one();
    pair.says(&acknowledged(&asked["id"], &honoured));
    let mut seen = 1;
    let mut news = || {
        let all = listen.letters.messages();
        let new: Vec<Value> = all[seen..].to_vec();
        seen = all.len();
        new.iter().map(|told| told["method"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        pair.dies();
        pair.ready();
        let subscribed = pair.child.heard().pop().unwrap();
        assert_eq!(subscribed["method"], "resources/subscribe");
        assert_eq!(subscribed["params"]["uri"], "a:/x", "the other was not honoured");
        pair.drive();
        pair.wait(secs(1));
        assert_eq!(news(), ["notifications/tools/list_changed"]);
        pair.says(&updated("a:/x"));
        pair.says(&tools_changed());
        assert_eq!(news(), ["notifications/resources/updated", "notifications/tools/list_changed"]);

        pair.dies();
        pair.ready_modern();
        let heard = pair.child.heard();
        assert_eq!(heard.len(), 2, "its own stream, and the bridge's to lists: {heard:?}");
        pair.says(&acknowledged(&heard[1]["id"], &honoured));
        let update = json!({"uri": "a:/x"});
        pair.says(&on_stream(&heard[1]["id"], "notifications/resources/updated", &update));
        assert_eq!(news(), ["notifications/tools/list_changed", "notifications/resources/updated"]);
    }
    pair.drop_reader(&listen);
    assert!(pair.is_empty_handed());
}

#[test]
fn t25_a_stream_without_a_word_hears_it_of_the_next_child_of_the_other_era() {
    let mut pair = Pair::shared();
    let wanted = json!({"promptsListChanged": true, "resourceSubscriptions": ["a:/x"]});
    let listen = pair.hears(&caller(), 1, &wanted);
    pair.dies();
    pair.ready_modern();
    pair.wait(secs(1));
    assert!(listen.letters.messages().is_empty(), "that is the child's to say");
    let asked = pair.child.heard().pop().unwrap();
    assert_eq!(asked["params"]["notifications"], wanted);
    pair.says(&acknowledged(&asked["id"], &wanted));
    assert_eq!(listen.letters.messages()[0]["params"]["notifications"], wanted);
}
