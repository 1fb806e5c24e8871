//! References in `args` and `env`, and files of variables: everything that is read from outside the configuration before
//! a server can be started with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::advice::nearest;
use super::document::cannot_read;
use super::secret::Secret;

/// The kinds of reference, as written: `${credential:NAME}`.
const KINDS: [&str; 3] = ["credential", "file", "env"];

/// Where references lead.
pub(super) struct Outside<'a> {
    pub(super) variables: &'a BTreeMap<String, String>,
    /// What a relative path starts from.
    pub(super) directory: PathBuf,
}

/// A reference that leads nowhere. `host` when the host lacks it, else the text is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dangling {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) host: bool,
}

// === impl Outside ===

impl Outside<'_> {
    /// The text with every reference replaced; `$${` stands for a plain `${`.
    pub(super) fn expand(&self, text: &str) -> Result<String, Vec<Dangling>> {
        let mut out = String::with_capacity(text.len());
        let mut dangling = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = &from[2..];
                continue;
            }
            out.push_str(before);
            let inner = &from[2..];
            let Some((kind, tail)) = inner.split_once(':').filter(|(kind, _)| is_word(kind)) else {
                out.push_str("${");
                rest = inner;
                continue;
            };
            if !KINDS.contains(&kind) {
                // `${VAR:-x}` belongs to a shell the server may be started with; only a near miss is a mistake.
                if let Some(near) = nearest(kind, KINDS.into_iter()) {
                    dangling.push(Dangling {
                        message: format!("`${{{kind}:…}}` is no kind of reference"),
                        hint: Some(format!(
                            "did you mean `${{{near}:…}}`? `$${{` is a plain `${{`"
                        )),
                        host: false,
                    });
                }
                out.push_str("${");
                rest = inner;
                continue;
            }
            let Some((name, after)) = tail.split_once('}') else {
                dangling.push(Dangling {
                    message: format!("`${{{kind}:` is not closed"),
                    hint: Some(format!("write `${{{kind}:…}}`, or `$${{` for a plain `${{`")),
                    host: false,
                });
                out.push_str("${");
                rest = inner;
                continue;
            };
            match self.value(kind, name) {
                Ok(value) => out.push_str(&value),
                Err(reason) => dangling.push(reason),
            }
            rest = after;
        }
        out.push_str(rest);
        if dangling.is_empty() { Ok(out) } else { Err(dangling) }
    }

    fn value(&self, kind: &str, name: &str) -> Result<String, Dangling> {
        let missing = |message: String, hint: Option<&str>| Dangling {
            message,
            hint: hint.map(str::to_owned),
            host: true,
        };
        match kind {
            "env" => self.variables.get(name).cloned().ok_or_else(|| {
                missing(format!("the environment variable {name} is not set"), None)
            }),
            "file" => read_secret(&self.directory.join(name)).map_err(|error| missing(error, None)),
            _ => {
                let hint =
                    "systemd sets it for services with LoadCredential=; elsewhere use `${file:…}`";
                let Some(directory) = self.variables.get("CREDENTIALS_DIRECTORY") else {
                    let message = format!(
                        "the credential {name:?} cannot be read: CREDENTIALS_DIRECTORY is not set"
                    );
                    return Err(missing(message, Some(hint)));
                };
                if name.is_empty() || name.contains('/') {
                    let message = format!("{name:?} is not the name of a credential");
                    return Err(Dangling { message, hint: None, host: false });
                }
                read_secret(&Path::new(directory).join(name)).map_err(|error| missing(error, None))
            }
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic())
}

/// The contents of a file without the newline that editors put at its end.
fn read_secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Reads lines of `KEY=value`; comments, blank lines, `export` and quotes around a value are allowed. A bad line is told
/// by its number alone, because it may hold a secret.
pub(super) fn read_env_file(path: &Path) -> Result<Vec<(String, Secret)>, Vec<Dangling>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        vec![Dangling { message: cannot_read(path, &error), hint: None, host: true }]
    })?;
    let mut variables = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        match line.split_once('=') {
            Some((name, value)) if is_variable(name.trim_end()) => {
                variables.push((name.trim_end().to_owned(), Secret::from(unquote(value.trim()))));
            }
            _ => bad.push(Dangling {
                message: format!("line {} of {} is not `KEY=value`", index + 1, path.display()),
                hint: None,
                host: true,
            }),
        }
    }
    if bad.is_empty() { Ok(variables) } else { Err(bad) }
}

/// Whether a child can be given a variable of this name.
pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0', ' ', '\t'])
}

fn unquote(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, Vec<String>> {
        let variables = BTreeMap::from([("HOME".to_owned(), "/root".to_owned())]);
        let outside = Outside { variables: &variables, directory: "/nowhere".into() };
        let messages = |all: Vec<Dangling>| all.into_iter().map(|one| one.message).collect();
        outside.expand(text).map_err(messages)
    }

    #[test]
    fn references_are_replaced_and_the_rest_left_alone() {
        let check = |text: &str, out: &str| assert_eq!(expand(text).as_deref(), Ok(out));
        check("a ${env:HOME}/b", "a /root/b");
        check("$${env:HOME}", "${env:HOME}");
        check("${HOME} $HOME ${X:-y} ${input:key} $", "${HOME} $HOME ${X:-y} ${input:key} $");
    }

    #[test]
    fn every_dangling_reference_is_named() {
        let errors =
            expand("${env:NO} ${file:x} ${credential:y} ${credentials:z} ${env:HOME").unwrap_err();
        assert_eq!(
            errors,
            [
                "the environment variable NO is not set",
                "cannot read /nowhere/x: there is no such file",
                "the credential \"y\" cannot be read: CREDENTIALS_DIRECTORY is not set",
                "`${credentials:…}` is no kind of reference",
                "`${env:` is not closed",
            ]
        );
    }
}
