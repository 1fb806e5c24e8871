//! `stdiod run`: one server from the command line, through the same loader as any other configuration.

use std::path::Path;

use crate::app::cli::RunArgs;
use crate::app::fatal::Fatal;
use crate::config::{Flag, Host, Sources};
use crate::wire::id::ServerName;

/// The configuration that the flags amount to. No file is read, and variables cannot add a second server.
pub(crate) fn sources(args: &RunArgs) -> Result<Sources, Fatal> {
    let name = args.name.clone().unwrap_or_else(|| name_of(&args.command));
    ServerName::new(&name).map_err(|error| Fatal::usage(format!("--name {name:?}: {error}")))?;
    let mut sources = Sources::of_process(Vec::new(), Host::Checking);
    sources.system_file = None;
    sources.variables.retain(|name, _| !name.to_ascii_uppercase().starts_with("STDIOD_SERVERS"));
    sources.flags = flags(args, &name);
    Ok(sources)
}

fn flags(args: &RunArgs, name: &str) -> Vec<Flag> {
    let mut flags = Vec::new();
    let mut flag = |flag, keys: &[&str], values: Vec<String>| {
        if !values.is_empty() {
            let path: Vec<&str> = ["servers", name].iter().chain(keys).copied().collect();
            flags.push(Flag::new(flag, &path, values));
        }
    };
    let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    let (program, rest) = args
        .command
        .split_first()
        .map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
    flag("CMD", &["command"], vec![program.to_owned()]);
    flag("ARG", &["args"], rest.to_vec());
    let mut pass = Vec::new();
    for variable in &args.env {
        match variable.split_once('=') {
            Some((key, value)) => flag("--env", &["env", key], vec![value.to_owned()]),
            None => pass.push(variable.clone()),
        }
    }
    flag("--env", &["pass_env"], pass);
    flag("--env-file", &["env_file"], args.env_file.clone());
    flag("--cwd", &["cwd"], one(&args.cwd));
    flag("--mode", &["mode"], one(&args.mode));
    flag("--max-children", &["max_children"], one(&args.max_children));
    flag("--overflow", &["overflow"], one(&args.overflow));
    flag("--spare", &["spare"], one(&args.spare));
    flag("--stateful", &["stateful"], one(&args.stateful));
    flag("--tasks", &["tasks"], one(&args.tasks));
    flag("--concurrency", &["concurrency"], one(&args.concurrency));
    flag("--start", &["start"], one(&args.start));
    flag("--idle-stop", &["idle_stop"], one(&args.idle_stop));
    flag("--push", &["push"], one(&args.push));
    flag("--era", &["era"], one(&args.era));
    flag("--start-timeout", &["start_timeout"], one(&args.start_timeout));
    flag("--request-timeout", &["request_timeout"], one(&args.request_timeout));
    flag("--allow-tool", &["tools", "allow"], args.allow_tool.clone());
    flag("--deny-tool", &["tools", "deny"], args.deny_tool.clone());
    if !args.listen.is_empty() {
        flags.push(Flag::new("--listen", &["http", "listen"], args.listen.clone()));
    }
    flags.extend(args.log.flags());
    flags
}

/// A name a person would choose: the package for a runner, the script for an interpreter, else the program.
fn name_of(command: &[String]) -> String {
    let Some((program, args)) = command.split_first() else { return String::new() };
    let program = stem(program);
    let runs_others = matches!(
        program.as_str(),
        "npx"
            | "bunx"
            | "uvx"
            | "pnpx"
            | "pipx"
            | "deno"
            | "bun"
            | "node"
            | "uv"
            | "tsx"
            | "env"
            | "sh"
            | "bash"
    ) || program.starts_with("python");
    let verb = |arg: &&String| !matches!(arg.as_str(), "run" | "x" | "exec" | "dlx");
    let inner = args.iter().filter(verb).find(|arg| !arg.starts_with('-'));
    let chosen = match inner.filter(|_| runs_others) {
        // A command line given to a shell begins with the program.
        Some(inner) => stem(inner.split_whitespace().next().unwrap_or(inner)),
        None => program,
    };
    let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
    let name: String = chosen.chars().map(fit).take(ServerName::LENGTH_MAX).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "server".to_owned() } else { name.to_owned() }
}

/// `@scope/package@1.2` is `package`, `/srv/tool.py` is `tool`.
fn stem(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or(path);
    let unversioned = match last.find('@') {
        Some(at) if at > 0 => &last[..at],
        _ => last,
    };
    let unversioned = unversioned.split("==").next().unwrap_or(unversioned);
    let script = ["js", "mjs", "cjs", "ts", "py", "sh", "rb"];
    let file = Path::new(unversioned);
    let is_script =
        file.extension().and_then(|ext| ext.to_str()).is_some_and(|ext| script.contains(&ext));
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some(stem) if is_script => stem.to_owned(),
        _ => unversioned.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_comes_from_what_is_run() {
        let check = |line: &str, name: &str| {
            let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(name_of(&command), name, "{line}");
        };
        check("my-server --flag", "my-server");
        check("/usr/local/bin/my-server", "my-server");
        check("npx -y @modelcontextprotocol/server-everything@1.2 stdio", "server-everything");
        check("uvx mcp-server-git --repository /srv", "mcp-server-git");
        check("uv run server.py", "server");
        check("node dist/index.js", "index");
        check("python3 -m my_pkg", "my_pkg");
        check("npx", "npx");
        check("./größe", "gr--e");
        check("...", "server");
    }
}
