//! Where a value came from, precise enough to point at it.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::document::Document;

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It was not written anywhere; built in.
    Default,
    /// A range of bytes of a file.
    File { document: Arc<Document>, span: Range<usize> },
    /// An environment variable.
    Variable(String),
    /// A command-line flag.
    Flag(String),
}

// === impl Place ===

impl Place {
    pub(super) fn file(document: &Arc<Document>, span: Range<usize>) -> Self {
        Self::File { document: Arc::clone(document), span }
    }

    /// The file it stands in.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File { document, .. } => Some(document.path()),
            Self::Default | Self::Variable(_) | Self::Flag(_) => None,
        }
    }

    /// Line and column, counted from one; columns count characters.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        match self {
            Self::File { document, span } => Some(document.line_column(span.start)),
            Self::Default | Self::Variable(_) | Self::Flag(_) => None,
        }
    }

    /// `file:line`, without the column: for comments beside a value.
    pub fn brief(&self) -> String {
        match (self, self.line_column()) {
            (Self::File { document, .. }, Some((line, _))) => {
                format!("{}:{line}", document.path().display())
            }
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { document, span } => {
                let (line, column) = document.line_column(span.start);
                write!(f, "{}:{line}:{column}", document.path().display())
            }
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) if name.starts_with('-') => write!(f, "flag {name}"),
            Self::Flag(name) => write!(f, "argument {name}"),
        }
    }
}
