//! The echo server without anything in front of it: what no bridge can be faster than.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::daemon::sibling;
use crate::figures::quantile;
use crate::messages;

#[expect(clippy::disallowed_methods, reason = "this is no child of a daemon")]
pub fn p50_us(calls: usize) -> Result<f64, String> {
    let said = |error: std::io::Error| error.to_string();
    let mut child = Command::new(sibling("echo")?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(said)?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("the echo server has no pipes".to_owned());
    };
    let mut output = BufReader::with_capacity(64 * 1024, output);
    let call = messages::call(0) + "\n";
    let (mut took, mut line) = (Vec::with_capacity(calls), Vec::new());
    for _ in 0..calls {
        line.clear();
        let start = Instant::now();
        input.write_all(call.as_bytes()).map_err(said)?;
        output.read_until(b'\n', &mut line).map_err(said)?;
        took.push(start.elapsed().as_secs_f64() * 1e6);
    }
    drop(input);
    child.wait().map_err(said)?;
    Ok(quantile(&mut took, 0.5))
}
