//! Where configuration is looked for, and in which order it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map};
use figment::{Metadata, Profile, Provider};

use super::document::{Document, is_config_file};
use super::environment::{layer as environment_layer, read_text};
use super::foreign::adapt;
use super::key::KeyPath;
use super::node::{Kind, Marks, Node};
use super::place::Place;
use super::problem::{Findings, Problem};
use super::shape::{Shape, file_shape};
use super::walk::walk;

/// Everything a configuration is made from. Nothing else is looked at, so a test can pretend any host.
#[derive(Clone)]
pub struct Sources {
    /// The files named on the command line.
    pub files: Vec<PathBuf>,
    /// Read when no file is named and it exists.
    pub system_file: Option<PathBuf>,
    /// The environment of the daemon.
    pub variables: BTreeMap<String, String>,
    pub flags: Vec<Flag>,
    /// The directory that relative paths of flags and variables start from.
    pub directory: PathBuf,
    /// Our own executable, for the demo server.
    pub program: PathBuf,
    pub host: Host,
}

/// What is asked of the host: do the commands, directories and files exist?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// The daemon is starting: a server that cannot run is a warning, the others shall run.
    Starting,
    /// The configuration is being checked: whatever is missing is an error.
    Checking,
    /// The configuration is for another host: only the text counts.
    Elsewhere,
}

/// A value from the command line.
#[derive(Clone)]
pub struct Flag {
    /// As it is written: `--listen`.
    pub name: &'static str,
    pub key: Vec<String>,
    pub values: Vec<String>,
}

/// One layer, sound and ready to be merged.
pub(super) struct Layer {
    index: usize,
    dict: Dict,
    pub(super) marks: BTreeMap<KeyPath, Marks>,
}

/// The layers in rising order, and the files that were read.
pub(super) struct Layers {
    pub(super) layers: Vec<Layer>,
    pub(super) files: Vec<PathBuf>,
}

/// What the configuration files look like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

/// Device, inode, size, and the time of the last change to the file or its name, in seconds and nanoseconds.
type Stamp = (u64, u64, u64, (i64, i64));

pub const SYSTEM_FILE: &str = "/etc/stdiod/stdiod.toml";

// === impl Sources ===

impl Sources {
    /// What this process was started with.
    pub fn of_process(files: Vec<PathBuf>, host: Host) -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self {
            files,
            system_file: Some(SYSTEM_FILE.into()),
            variables: std::env::vars_os().map(|(name, text)| (lossy(name), lossy(text))).collect(),
            flags: Vec::new(),
            directory: std::env::current_dir().unwrap_or_else(|_| "/".into()),
            program: std::env::current_exe().unwrap_or_else(|_| "stdiod".into()),
            host,
        }
    }

    /// The files as they are now, to be compared with how they are later. A link counts as what it leads to, so that a folder
    /// swapped under it is seen, and so is a file that comes or goes.
    pub fn stamps(&self) -> Stamps {
        let stamp = |path: PathBuf| {
            let found = path.metadata().ok().map(|meta| {
                let changed = (meta.ctime(), meta.ctime_nsec());
                (meta.dev(), meta.ino(), meta.size(), changed)
            });
            (path, found)
        };
        Stamps(self.all_files(&mut Findings::default()).into_iter().map(stamp).collect())
    }

    pub(super) fn gather(&self, findings: &mut Findings) -> Layers {
        let mut files = Vec::new();
        let mut layers = Vec::new();
        let mut push = |node: Node, findings: &mut Findings| {
            if let Some(node) = walk(node, file_shape(), &KeyPath::root(), findings) {
                layers.push(Layer { index: layers.len(), dict: node.dict(), marks: node.marks() });
            }
        };
        let mut servers = BTreeSet::new();
        for path in self.all_files(findings) {
            match Document::read(&path) {
                Ok(node) => {
                    let node = adapt(node, findings);
                    servers.extend(server_names(&node));
                    push(node, findings);
                }
                Err(problem) => findings.push(problem),
            }
            files.push(path);
        }
        push(environment_layer(&self.variables, &servers, findings), findings);
        push(flag_layer(&self.flags), findings);
        Layers { layers, files }
    }

    fn all_files(&self, findings: &mut Findings) -> Vec<PathBuf> {
        let mut main = self.files.clone();
        if main.is_empty() {
            main.extend(self.system_file.clone().filter(|path| path.exists()));
        }
        let mut all = Vec::new();
        let mut seen_directories = BTreeSet::new();
        for file in main {
            let directory = file.parent().unwrap_or_else(|| Path::new("")).join("conf.d");
            all.push(file);
            // Two files side by side share their drop-ins, which are then read after the first.
            if seen_directories.insert(directory.clone()) {
                all.extend(drop_ins(&directory, findings));
            }
        }
        all
    }
}

/// Without the environment, which holds secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("files", &self.files)
            .field("system_file", &self.system_file)
            .field("flags", &self.flags)
            .field("directory", &self.directory)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

fn drop_ins(directory: &Path, findings: &mut Findings) -> Vec<PathBuf> {
    let listed = match std::fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                findings.push(Problem::error(
                    &KeyPath::root(),
                    Place::Default,
                    format!(
                        "cannot list {}: {}",
                        directory.display(),
                        error.to_string().to_lowercase()
                    ),
                ));
            }
            return Vec::new();
        }
    };
    let hidden =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut files: Vec<PathBuf> = listed
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| is_config_file(path) && !hidden(path) && !path.is_dir())
        .collect();
    files.sort();
    files
}

fn server_names(node: &Node) -> impl Iterator<Item = String> {
    let servers = node.get("servers").map_or(&[][..], |entry| entry.value.entries());
    servers.iter().map(|entry| entry.key.clone())
}

fn flag_layer(flags: &[Flag]) -> Node {
    let mut root = Node::table(Place::Default);
    for flag in flags {
        let place = Place::Flag(flag.name.to_owned());
        let shape = flag.shape();
        let value = match shape {
            Some(Shape::List(of)) => {
                let items = flag.values.iter().map(|text| read_item(text, of, &place)).collect();
                Node::new(Kind::List(items), place)
            }
            _ => read_text(flag.values.last().map_or("", String::as_str), shape, place),
        };
        root.put(&flag.key, value);
    }
    root
}

/// An item of a list flag is taken whole: an argument may well hold commas or begin with a bracket.
fn read_item(text: &str, shape: &Shape, place: &Place) -> Node {
    if matches!(shape, Shape::Table(_)) {
        return read_text(text, Some(shape), place.clone());
    }
    Node::new(Kind::Text(text.to_owned()), place.clone())
}

// === impl Flag ===

impl Flag {
    pub fn new(name: &'static str, key: &[&str], values: Vec<String>) -> Self {
        Self { name, key: key.iter().map(|key| (*key).to_owned()).collect(), values }
    }

    fn shape(&self) -> Option<&'static Shape> {
        self.key.iter().try_fold(file_shape(), |shape, key| {
            shape.of().or_else(|| Some(&shape.field(key)?.shape))
        })
    }
}

/// Without the values: `--env` holds secrets.
impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flag")
            .field("name", &self.name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

// === impl Layer ===

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.index.to_string())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}
