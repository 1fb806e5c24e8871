//! From sources to a model: read, hold against the shape, merge, fill in what stands outside, check.
//!
//! No step stops at its first problem, and a value that is wrong does not keep the rest from being looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::check::check;
use super::effective;
use super::expand::{Dangling, Outside, is_variable, read_env_file};
use super::key::KeyPath;
use super::layers::{Host, Layer, Layers, Sources};
use super::merged::{Merged, find};
use super::model::{Model, Server};
use super::place::Place;
use super::problem::{About, Findings, Problem};
use super::secret::{Arg, Secret};
use crate::wire::id::ServerName;

/// A configuration without errors.
pub struct Loaded {
    /// Final: references are expanded, files of variables read, relative paths made absolute.
    pub model: Model,
    pub origin: Origin,
    pub warnings: Vec<Problem>,
    /// The file behind each enabled server's command, where there is one.
    pub programs: BTreeMap<ServerName, PathBuf>,
    merged: Merged,
}

/// Where the servers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody configured a server, so the built-in demo server is served.
    Demo,
    /// The command line or the environment alone.
    Adhoc,
    /// These files, in the order they were read.
    Files(Vec<PathBuf>),
}

/// A configuration with errors; warnings are among the problems.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {}", count(.problems))]
pub struct Rejected {
    pub problems: Vec<Problem>,
}

/// The name of the built-in server.
pub const DEMO: &str = "demo";

/// Reads, merges and checks everything, and reports every problem at once.
pub fn load(sources: &Sources) -> Result<Loaded, Rejected> {
    let mut findings = Findings::default();
    let Layers { layers, files } = sources.gather(&mut findings);
    let (merged, mut model, origin) = match assemble(sources, layers, files) {
        Ok(assembled) => assembled,
        Err(error) => {
            findings.push(unforeseen(&error));
            return Err(Rejected { problems: report(findings, sources.host) });
        }
    };
    fill_in(&mut model, &merged, sources, &mut findings);
    let programs = check(&model, &merged, sources, &mut findings);
    let problems = report(findings, sources.host);
    if problems.iter().any(Problem::is_error) {
        return Err(Rejected { problems });
    }
    Ok(Loaded { model, origin, warnings: problems, programs, merged })
}

fn assemble(
    sources: &Sources,
    layers: Vec<Layer>,
    files: Vec<PathBuf>,
) -> Result<(Merged, Model, Origin), Box<figment::Error>> {
    let mut merged = Merged::new(layers)?;
    let origin = if !files.is_empty() {
        Origin::Files(files)
    } else if merged.has_servers() {
        Origin::Adhoc
    } else {
        merged.add_server(DEMO, &demo(&sources.program))?;
        Origin::Demo
    };
    let model = merged.model()?;
    Ok((merged, model, origin))
}

fn demo(program: &Path) -> Server {
    Server {
        command: program.to_string_lossy().into_owned(),
        args: vec![Arg::from("demo-server")],
        ..Server::default()
    }
}

/// What the shape let pass and the model does not take. The text of the error may repeat a value, so only its key is told.
fn unforeseen(error: &figment::Error) -> Problem {
    let key = error.path.iter().fold(KeyPath::root(), |path, key| path.key(key));
    Problem::error(&key, Place::Default, "the value does not fit its key")
}

/// Orders problems as a reader meets them and drops those that do not matter for another host.
fn report(findings: Findings, host: Host) -> Vec<Problem> {
    let mut problems = findings.problems;
    problems.retain(|problem| host != Host::Elsewhere || problem.about == About::Text);
    let position = |problem: &Problem| match &problem.place {
        Place::File { document, span } => (0, document.path().to_owned(), span.start),
        Place::Variable(name) => (1, PathBuf::from(name), 0),
        Place::Flag(name) => (2, PathBuf::from(name), 0),
        Place::Default => (3, PathBuf::new(), 0),
    };
    problems.sort_by_cached_key(|problem| (problem.severity, position(problem)));
    problems.dedup();
    problems
}

/// `2 errors and 1 warning`.
pub fn count(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let of = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    match (errors, problems.len() - errors) {
        (errors, 0) => of(errors, "error"),
        (0, warnings) => of(warnings, "warning"),
        (errors, warnings) => format!("{} and {}", of(errors, "error"), of(warnings, "warning")),
    }
}

/// Expands references, reads files of variables, and makes relative paths absolute. A path in a file starts from the
/// directory of that file, so that a configuration means the same wherever the daemon is started.
fn fill_in(model: &mut Model, merged: &Merged, sources: &Sources, findings: &mut Findings) {
    let directory_of = |path: &KeyPath| -> PathBuf {
        let place = merged.place(path);
        let file = place.path().and_then(Path::parent).unwrap_or_else(|| Path::new(""));
        sources.directory.join(file)
    };
    if let Some(auth) = &mut model.auth {
        for (index, token) in auth.tokens.iter_mut().enumerate() {
            let path = KeyPath::from(["auth", "tokens"]).index(index).key("file");
            token.file = directory_of(&path).join(&token.file);
        }
    }
    for (name, server) in &mut model.servers {
        let path = KeyPath::from(["servers", name.as_str()]);
        if let Some(cwd) = &mut server.cwd {
            *cwd = directory_of(&path.key("cwd")).join(&*cwd);
        }
        for (index, file) in server.env_file.iter_mut().enumerate() {
            *file = directory_of(&path.key("env_file").index(index)).join(&*file);
        }
        // What a disabled server refers to may not exist yet, or any more.
        if server.enabled {
            fill_in_server(server, &path, merged, sources, &directory_of, findings);
        }
    }
}

fn fill_in_server(
    server: &mut Server,
    path: &KeyPath,
    merged: &Merged,
    sources: &Sources,
    directory_of: &dyn Fn(&KeyPath) -> PathBuf,
    findings: &mut Findings,
) {
    let mut expand = |text: &str, key: &KeyPath| {
        let outside = Outside { variables: &sources.variables, directory: directory_of(key) };
        outside.expand(text).map_err(|all| dangling(all, key, merged, findings)).ok()
    };
    for (index, arg) in server.args.iter_mut().enumerate() {
        if let Some(expanded) = expand(arg.written(), &path.key("args").index(index)) {
            arg.expand(expanded);
        }
    }
    for (variable, value) in &mut server.env {
        if let Some(expanded) = expand(value.expose(), &path.key("env").key(variable)) {
            *value = Secret::from(expanded);
        }
    }
    for (index, file) in server.env_file.iter().enumerate() {
        let key = path.key("env_file").index(index);
        match read_env_file(file) {
            Ok(variables) => {
                for (variable, value) in variables {
                    // `env` wins over files, and a later file over an earlier one.
                    let configured = find(&merged.root, &path.key("env").key(&variable));
                    if configured.is_none() {
                        server.env.insert(variable, value);
                    }
                }
            }
            Err(all) => dangling(all, &key, merged, findings),
        }
    }
    for variable in server.env.keys().filter(|name| !is_variable(name)) {
        let key = path.key("env").key(variable);
        let message = format!("{variable:?} cannot be the name of a variable");
        findings.push(Problem::error(&key, merged.key_place(&key), message));
    }
}

fn dangling(all: Vec<Dangling>, key: &KeyPath, merged: &Merged, findings: &mut Findings) {
    for Dangling { message, hint, host } in all {
        let problem = Problem::error(key, merged.place(key), message).hints(hint);
        findings.push(if host { problem.about_host() } else { problem });
    }
}

// === impl Loaded ===

impl Loaded {
    /// The effective configuration as TOML, the source of every value beside it, secrets masked.
    pub fn effective(&self) -> String {
        effective::print(&self.merged)
    }
}

/// The merged tree is left out: its values are not masked.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("model", &self.model)
            .field("origin", &self.origin)
            .field("warnings", &self.warnings)
            .field("programs", &self.programs)
            .finish_non_exhaustive()
    }
}
