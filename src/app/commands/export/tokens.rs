//! Which token a gateway shows to which server, and which of its variables hold them. The tokens themselves are not read.

use std::cmp::Reverse;

use crate::app::fatal::Fatal;
use crate::auth::bearer::opens;
use crate::config::model::{Model, Server, Token};
use crate::wire::id::ServerName;

/// A variable of the gateway's environment, and the token it is to hold. A proxy in front may want one that is not ours.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) token: Option<Token>,
}

const VARIABLE: &str = "STDIOD_TOKEN";

/// The tokens of a configuration, best first: those that by their name are for such a gateway, then those that open most.
pub(super) fn ranked<'m>(model: &'m Model, gateway: &str) -> Vec<&'m Token> {
    let mut tokens: Vec<&Token> = model.auth.iter().flat_map(|auth| &auth.tokens).collect();
    let opened = |token: &Token| {
        let servers = model.servers.iter().filter(|(_, server)| server.enabled);
        servers.filter(|(name, server)| token_opens(token, name, server)).count()
    };
    let foreign = |token: &Token| !token.name.to_ascii_lowercase().contains(gateway);
    tokens.sort_by_key(|token| (foreign(token), Reverse(opened(token))));
    tokens
}

pub(super) fn token_opens(token: &Token, name: &ServerName, server: &Server) -> bool {
    opens(&token.name, &token.servers, name, server)
}

/// The variables for these tokens, each once. One token has the plain name; of several each has its own behind it.
pub(super) fn variables<'t>(
    tokens: impl Iterator<Item = &'t Token>,
    asked: Option<&str>,
) -> Result<Vec<Variable>, Fatal> {
    let plain = match asked {
        Some(asked) if !is_variable(asked) => {
            let message = format!("--token-env {asked:?} is no name of a variable");
            return Err(Fatal::usage(message).hint("write one such as STDIOD_TOKEN"));
        }
        Some(asked) => asked,
        None => VARIABLE,
    };
    let mut needed: Vec<&Token> = Vec::new();
    for token in tokens {
        if !needed.contains(&token) {
            needed.push(token);
        }
    }
    if let ([], Some(asked)) = (needed.as_slice(), asked) {
        return Ok(vec![Variable { name: asked.to_owned(), token: None }]);
    }
    let many = needed.len() > 1;
    let mut variables: Vec<Variable> = Vec::new();
    for token in needed {
        let wanted = if many { format!("{plain}_{}", shouted(&token.name)) } else { plain.into() };
        let taken = |name: &String| variables.iter().any(|variable| variable.name == *name);
        let name = (2..).map(|nth| format!("{wanted}_{nth}"));
        let name = std::iter::once(wanted.clone()).chain(name).find(|name| !taken(name));
        let name = name.expect("there is always another number");
        variables.push(Variable { name, token: Some(token.clone()) });
    }
    Ok(variables)
}

fn shouted(name: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().map(fit).collect()
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str) -> Token {
        Token { name: name.into(), file: "/t".into(), servers: vec!["*".into()], push: None }
    }

    fn names(tokens: &[&str], asked: Option<&str>) -> Vec<String> {
        let tokens: Vec<Token> = tokens.iter().map(|name| token(name)).collect();
        let variables = variables(tokens.iter(), asked).unwrap();
        variables.into_iter().map(|variable| variable.name).collect()
    }

    #[test]
    fn one_token_has_the_plain_variable_and_several_have_their_own() {
        assert_eq!(names(&[], None), [""; 0]);
        assert_eq!(names(&[], Some("KEY")), ["KEY"]);
        assert_eq!(names(&["a", "a"], None), ["STDIOD_TOKEN"]);
        assert_eq!(names(&["a", "b-c"], Some("KEY")), ["KEY_A", "KEY_B_C"]);
        assert_eq!(names(&["b-c", "b.c"], None), ["STDIOD_TOKEN_B_C", "STDIOD_TOKEN_B_C_2"]);
    }

    #[test]
    fn what_no_shell_could_set_is_no_variable() {
        for bad in ["", "1A", "A-B", "os.environ/A", "Ä"] {
            assert!(variables(std::iter::empty(), Some(bad)).is_err(), "{bad:?}");
        }
    }
}
