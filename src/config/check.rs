//! Rules that concern more than one key, or the host. Each looks at the merged model and reports where the value in
//! question was written; none depends on another having passed.

mod auth;
mod listen;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::advice::nearest;
use super::key::KeyPath;
use super::layers::Sources;
use super::merged::Merged;
use super::model::Model;
use super::problem::{Findings, Problem};
use crate::wire::id::ServerName;

/// What a rule looks at and where it reports.
struct Rules<'a> {
    model: &'a Model,
    merged: &'a Merged,
    sources: &'a Sources,
    findings: &'a mut Findings,
}

/// Applies all rules; gives back the programs of the servers that can run.
pub(super) fn check(
    model: &Model,
    merged: &Merged,
    sources: &Sources,
    findings: &mut Findings,
) -> BTreeMap<ServerName, PathBuf> {
    let mut rules = Rules { model, merged, sources, findings };
    rules.host();
    rules.http();
    rules.log();
    rules.listeners();
    rules.tokens();
    rules.servers()
}

// === impl Rules ===

impl Rules<'_> {
    fn host(&mut self) {
        if self.model.max_children == 0 {
            self.error(
                &KeyPath::from(["max_children"]),
                "no server could ever run",
                &["the built-in value is 256"],
            );
        }
    }

    fn http(&mut self) {
        let http = &self.model.http;
        let path = KeyPath::from(["http"]);
        if http.max_body.0 == 0 {
            self.error(
                &path.key("max_body"),
                "no request would fit",
                &["the built-in value is \"16MiB\""],
            );
        }
        if http.max_connections == 0 {
            self.error(
                &path.key("max_connections"),
                "nobody could connect",
                &["the built-in value is 10000"],
            );
        }
        if http.keep_alive.0.is_zero() {
            self.error(
                &path.key("keep_alive"),
                "a stream cannot be kept open every 0s",
                &["write a time such as \"15s\""],
            );
        }
        for (index, origin) in http.allowed_origins.iter().enumerate() {
            let has_scheme = origin.split_once("://").is_some_and(|(_, host)| !host.contains('/'));
            if origin != "*" && !has_scheme {
                let hint = format!("write \"https://{}\"", host_of(origin));
                self.error(
                    &path.key("allowed_origins").index(index),
                    &format!("{origin:?} is no origin: it is a scheme, a host and perhaps a port"),
                    &[&hint],
                );
            }
        }
        for (index, host) in http.allowed_hosts.iter().enumerate() {
            if host.contains('/') || host.is_empty() {
                let hint = format!("write {:?}", host_of(host));
                let message = format!("{host:?} is no host name");
                self.error(&path.key("allowed_hosts").index(index), &message, &[&hint]);
            }
        }
    }

    fn log(&mut self) {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let level = &self.model.log.level;
        let path = KeyPath::from(["log", "level"]);
        for part in level.split(',').map(str::trim) {
            let word = part.rsplit_once('=').map_or(part, |(_, level)| level);
            if !LEVELS.contains(&word.to_ascii_lowercase().as_str()) {
                let hint = match nearest(word, LEVELS.into_iter()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "write error, warn, info, debug or trace, or a filter such as \
                             \"info,stdiod::http=debug\""
                        .to_owned(),
                };
                self.error(&path, &format!("{word:?} is no log level"), &[&hint]);
                return;
            }
        }
        if self.model.log.filter().is_err() {
            self.error(
                &path,
                &format!("{level:?} is no log filter"),
                &["write it like \"info,stdiod::http=debug\""],
            );
        }
    }

    fn error(&mut self, path: &KeyPath, message: &str, hints: &[&str]) {
        let hints = hints.iter().map(|hint| (*hint).to_owned());
        let problem = Problem::error(path, self.merged.place(path), message).hints(hints);
        self.findings.push(problem);
    }

    fn warning(&mut self, path: &KeyPath, message: &str, hints: &[&str]) {
        let hints = hints.iter().map(|hint| (*hint).to_owned());
        let problem = Problem::warning(path, self.merged.place(path), message).hints(hints);
        self.findings.push(problem);
    }

    /// The host lacks something.
    fn missing(&mut self, path: &KeyPath, message: &str, hints: Vec<String>) {
        let problem = Problem::error(path, self.merged.place(path), message).hints(hints);
        self.findings.push(problem.about_host());
    }
}

fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}
