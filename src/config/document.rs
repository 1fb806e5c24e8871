//! One configuration file: its text, and which parts of the text must not be shown.
//!
//! TOML, JSON and YAML each read into the same marked tree ([`Node`]); what is in the tree is no concern of theirs.

mod json;
mod redact;
mod toml;
mod yaml;

use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::key::KeyPath;
use super::node::{Kind, Node};
use super::place::Place;
use super::problem::Problem;

/// A file as it was read.
#[derive(PartialEq, Eq)]
pub struct Document {
    path: PathBuf,
    text: String,
    secrets: Secrets,
}

/// What of the text is masked in excerpts.
#[derive(PartialEq, Eq)]
enum Secrets {
    At(Vec<Range<usize>>),
    /// The text could not be read, so anything below a mention of `env` may be one.
    Unknown,
}

/// A text that is not of its format.
#[derive(Debug)]
struct Malformed {
    message: String,
    at: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Toml,
    Json,
    Yaml,
}

// === impl Document ===

impl Document {
    /// Reads a file into a marked tree, or says why that cannot be done.
    pub(super) fn read(path: &Path) -> Result<Node, Problem> {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Node, Problem> {
        let format = Format::of(path);
        // Editors on Windows put a mark in front that none of the parsers expects; blanks keep all spans true.
        let text = text.replacen('\u{feff}', "   ", 1);
        let parsed = match format {
            Format::Toml => toml::parse(&text),
            Format::Json => json::parse(&text),
            Format::Yaml => yaml::parse(&text),
        };
        let secrets = parsed
            .as_ref()
            .map_or(Secrets::Unknown, |node| Secrets::At(redact::secret_ranges(node)));
        let document = Arc::new(Self { path: path.to_owned(), text, secrets });
        let place = |span: Range<usize>| Place::file(&document, span);
        match parsed {
            Ok(Node { kind: Kind::Null, mark }) => Ok(Node::table(place(mark))),
            Ok(node) => Ok(node.map_marks(&place)),
            Err(Malformed { message, at }) => {
                let quotes = (format == Format::Toml && message.contains("invalid string"))
                    .then(|| "texts stand in quotes: key = \"value\"".to_owned());
                let message = format!("not valid {}: {message}", format.name());
                Err(Problem::error(&KeyPath::root(), place(at), message).hints(quotes))
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Counted from one; columns count characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..floor_boundary(&self.text, offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The text with every secret overwritten, byte for byte, so that spans still hold.
    pub(super) fn shown_text(&self, around: usize) -> String {
        let mut text = self.text.clone().into_bytes();
        match &self.secrets {
            Secrets::At(ranges) => {
                for range in ranges {
                    mask(&mut text, range.clone(), false);
                }
            }
            Secrets::Unknown => {
                let line = self.text[..floor_boundary(&self.text, around)]
                    .rfind('\n')
                    .map_or(0, |at| at + 1);
                let end = self.text[line..].find('\n').map_or(self.text.len(), |at| line + at);
                // In TOML a section ends what stood above it; in the others `env` may reach arbitrarily far.
                let since = match Format::of(&self.path) {
                    Format::Toml => self.text[..line].rfind("\n[").unwrap_or(0),
                    Format::Json | Format::Yaml => 0,
                };
                let scope = self.text[since..end].to_ascii_lowercase();
                if ["env", "token", "secret", "key", "password"]
                    .iter()
                    .any(|sign| scope.contains(sign))
                {
                    mask(&mut text, 0..self.text.len(), true);
                }
            }
        }
        String::from_utf8(text).unwrap_or_default()
    }

    pub(super) fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = floor_boundary(&self.text, span.start);
        let end = floor_boundary(&self.text, span.end).max(start);
        // One line is enough to find a value; a whole table would bury the message.
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        start..end.min(line_end)
    }
}

/// Not the text: it may hold secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("path", &self.path).finish_non_exhaustive()
    }
}

// === impl Format ===

impl Format {
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|ext| ext.to_str()).map(str::to_ascii_lowercase).as_deref()
        {
            Some("json" | "jsonc") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Toml,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
            Self::Yaml => "YAML",
        }
    }
}

/// Whether the loader reads files with this ending from `conf.d`.
pub(super) fn is_config_file(path: &Path) -> bool {
    let known = ["toml", "json", "jsonc", "yaml", "yml"];
    path.extension().and_then(|ext| ext.to_str()).is_some_and(|ext| known.contains(&ext))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let empty = Document { path: path.to_owned(), text: String::new(), secrets: Secrets::Unknown };
    let place = Place::file(&Arc::new(empty), 0..0);
    Problem::error(&KeyPath::root(), place, cannot_read(path, error))
}

/// Why a file cannot be read, in words that name no errno.
pub(super) fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    let known = [
        (ErrorKind::NotFound, "there is no such file"),
        (ErrorKind::PermissionDenied, "permission denied"),
        (ErrorKind::IsADirectory, "it is a directory; name the file in it"),
        (ErrorKind::InvalidData, "it is not UTF-8 text"),
    ];
    let reason = known.iter().find(|(kind, _)| *kind == error.kind());
    let reason =
        reason.map_or_else(|| error.to_string().to_lowercase(), |(_, why)| (*why).to_owned());
    format!("cannot read {}: {reason}", path.display())
}

fn mask(text: &mut [u8], range: Range<usize>, keep_marks: bool) {
    let end = range.end.min(text.len());
    let Some(part) = text.get_mut(range.start..end) else { return };
    for byte in part {
        let mark = keep_marks && (byte.is_ascii_punctuation() || *byte == b' ');
        // Quotes stay, so that the line still looks like what it is.
        if !mark && !matches!(*byte, b'\n' | b'\r' | b'"' | b'\'') {
            *byte = b'*';
        }
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
