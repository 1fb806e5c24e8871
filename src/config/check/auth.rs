//! Tokens: their names, the servers they open, and the files that hold them.

use std::collections::BTreeMap;
use std::path::Path;

use super::Rules;
use crate::config::advice::nearest;
use crate::config::document::cannot_read;
use crate::config::key::KeyPath;
use crate::wire::id::ServerName;

/// Shorter ones can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

impl Rules<'_> {
    pub(super) fn tokens(&mut self) {
        let Some(auth) = &self.model.auth else { return };
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, token) in auth.tokens.iter().enumerate() {
            let path = KeyPath::from(["auth", "tokens"]).index(index);
            if token.name.trim().is_empty() {
                self.error(&path.key("name"), "a token needs a name", &["name who holds it"]);
            } else if let Some(first) = seen.insert(&token.name, index) {
                let message = format!("two tokens are called {:?}", token.name);
                let hint = format!("the other is auth.tokens[{first}]");
                self.error(&path.key("name"), &message, &[&hint]);
            }
            for (at, server) in token.servers.iter().enumerate() {
                if server != "*" && !self.model.servers.contains_key(server.as_str()) {
                    let names = self.model.servers.keys().map(ServerName::as_str);
                    self.unknown(&path.key("servers").index(at), "server", server, names);
                }
            }
            if let Err((message, hint)) = token_in(&token.file) {
                self.missing(&path.key("file"), &message, hint.into_iter().collect());
            }
        }
    }

    /// A server may name the tokens that open it; each must be one that exists.
    pub(super) fn tokens_of_server(&mut self, path: &KeyPath, name: &str, tokens: &[String]) {
        let known = self.model.auth.as_ref().map_or(&[][..], |auth| &auth.tokens);
        for (index, token) in tokens.iter().enumerate() {
            let here = path.key("tokens").index(index);
            let Some(found) = known.iter().find(|known| known.name == *token) else {
                if known.is_empty() {
                    let message = format!("no token is called {token:?}");
                    let hint = format!(
                        "under [auth] write tokens = [{{ name = {token:?}, file = \"/etc/stdiod/{token}.token\" }}]"
                    );
                    self.error(&here, &message, &[&hint]);
                } else {
                    self.unknown(
                        &here,
                        "token",
                        token,
                        known.iter().map(|known| known.name.as_str()),
                    );
                }
                continue;
            };
            if !found.servers.iter().any(|server| server == "*" || server == name) {
                let message = format!("the token {token:?} does not open this server");
                let hint = format!("add {name:?} to its `servers` under [auth]");
                self.error(&here, &message, &[&hint]);
            }
        }
    }

    fn unknown<'n>(
        &mut self,
        path: &KeyPath,
        noun: &str,
        word: &str,
        names: impl Iterator<Item = &'n str> + Clone,
    ) {
        let hint = match nearest(word, names.clone()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("known: {}", names.collect::<Vec<_>>().join(", ")),
        };
        self.error(path, &format!("no {noun} is called {word:?}"), &[&hint]);
    }
}

fn token_in(file: &Path) -> Result<(), (String, Option<String>)> {
    let make = || Some(format!("make one: openssl rand -hex 32 > {}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| {
        let absent = error.kind() == std::io::ErrorKind::NotFound;
        (cannot_read(file, &error), if absent { make() } else { None })
    })?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.is_empty() {
        return Err((format!("{} holds no token on its first line", file.display()), make()));
    }
    if token.len() < TOKEN_BYTES_MIN {
        let message = format!(
            "the token in {} can be guessed: it is shorter than {TOKEN_BYTES_MIN} characters",
            file.display()
        );
        return Err((message, make()));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("the token in {} cannot be sent in a header", file.display());
        return Err((message, Some("use letters, digits and -._~+/=".to_owned())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::testing::messages;

    #[test]
    fn names_of_tokens_and_servers_meet() {
        let found = messages(
            "[auth]\ntokens = [\n\
             { name = \"a\", file = \"/etc/passwd\", servers = [\"gti\"] },\n\
             { name = \"a\", file = \"/no/such\" },\n\
             { name = \"b\", file = \"/dev/null\" }]\n\
             [servers.git]\ncommand = \"sh\"\ntokens = [\"c\", \"b\"]\n",
        );
        assert_eq!(
            found,
            [
                "auth.tokens[0].servers[0]: no server is called \"gti\"",
                "auth.tokens[1].name: two tokens are called \"a\"",
                "auth.tokens[1].file: cannot read /no/such: there is no such file",
                "auth.tokens[2].file: /dev/null holds no token on its first line",
                "servers.git.tokens[0]: no token is called \"c\"",
            ]
        );
    }
}
