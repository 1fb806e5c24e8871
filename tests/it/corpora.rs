//! Every input a fuzzer ever found worth keeping, through the code once more.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

#[path = "../fuzz/bodies.rs"]
mod bodies;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        let kept = std::panic::catch_unwind(|| body(&input)).is_ok();
        assert!(kept, "{} breaks a promise", path.display());
        count += 1;
    }
    assert!(count >= 5, "the corpus of {target} is missing");
}

#[test]
fn the_corpus_of_frames_is_read_soundly() {
    replay("frame", bodies::frame);
}

#[test]
fn the_corpus_of_lines_is_cut_soundly() {
    replay("lines", bodies::lines);
}

#[test]
fn the_corpus_of_events_is_read_soundly() {
    replay("sse", bodies::sse);
}

#[test]
fn the_corpus_of_header_values_is_read_soundly() {
    replay("headers", bodies::headers);
}

#[test]
fn the_corpus_of_operations_keeps_every_promise() {
    replay("switchboard", bodies::switchboard);
}

proptest! {
    // Fixed, so that every run is the same run; more cases go further with `PROPTEST_CASES`.
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(4711), ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_keeps_every_promise(
        kind in any::<u8>(),
        ops in vec(any::<[u8; 4]>(), 0..200),
    ) {
        bodies::switchboard(&[&[kind], ops.as_flattened()].concat());
    }
}
