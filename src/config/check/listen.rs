//! Listeners: two cannot share an address, and only callers with a token come in from beyond this host.

use super::Rules;
use crate::config::key::KeyPath;
use crate::config::listen::ListenAddr;
use crate::config::problem::Problem;

impl Rules<'_> {
    pub(super) fn listeners(&mut self) {
        let listeners = self.addresses();
        let main = KeyPath::from(["http", "listen"]);
        if self.model.http.listen.is_empty() && !self.findings.doubts(&main) {
            let own =
                self.model.servers.values().any(|server| server.enabled && server.listen.is_some());
            if !own {
                self.error(&main, "there is nowhere to listen", &["write [\"127.0.0.1:8750\"]"]);
            }
        }
        for (index, (path, address)) in listeners.iter().enumerate() {
            let earlier = listeners[..index].iter().find(|(_, other)| other.clashes(address));
            if let Some((first, _)) = earlier {
                let message = format!("{address} is already taken by {first}");
                let hint = format!("that is at {}", self.merged.place(first));
                self.error(path, &message, &[&hint, "give each listener an address of its own"]);
            }
            if !address.is_loopback() && !self.has_tokens() {
                self.open_listener(path, address);
            }
        }
    }

    fn addresses(&self) -> Vec<(KeyPath, ListenAddr)> {
        let main = KeyPath::from(["http", "listen"]);
        let http = self.model.http.listen.iter().enumerate();
        let own = self.model.servers.iter().filter(|(_, server)| server.enabled);
        http.map(|(index, address)| (main.index(index), address.clone()))
            .chain(own.filter_map(|(name, server)| {
                let path = KeyPath::from(["servers", name.as_str(), "listen"]);
                Some((path, server.listen.clone()?))
            }))
            .collect()
    }

    /// Whether callers need a token. A mistake in `[auth]` is reported there, not here again.
    fn has_tokens(&self) -> bool {
        self.model.auth.as_ref().is_some_and(|auth| !auth.tokens.is_empty())
            || self.findings.doubts(&KeyPath::from(["auth"]))
    }

    fn open_listener(&mut self, path: &KeyPath, address: &ListenAddr) {
        let message = format!(
            "{address} can be reached from other hosts, and without [auth] anybody there could run the servers"
        );
        let problem = Problem::error(path, self.merged.place(path), message)
            .hint(
                "listen on 127.0.0.1, or on unix:PATH, and let a proxy with authentication forward",
            )
            .hint(
                "or give callers tokens: under [auth] write \
                 tokens = [{ name = \"gateway\", file = \"/etc/stdiod/gateway.token\" }]",
            );
        self.findings.push(problem);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::messages;

    #[test]
    fn addresses_are_used_once() {
        let found = messages(
            "[http]\nlisten = [\"127.0.0.1:1\", \"localhost:1\", \"127.0.0.1:0\", \"127.0.0.1:0\"]\n\
             [servers.a]\ncommand = \"sh\"\nlisten = \"127.0.0.1:1\"\n\
             [servers.b]\ncommand = \"sh\"\nenabled = false\nlisten = \"127.0.0.1:1\"\n",
        );
        assert_eq!(
            found,
            [
                "http.listen[1]: 127.0.0.1:1 is already taken by http.listen[0]",
                "servers.a.listen: 127.0.0.1:1 is already taken by http.listen[0]",
            ]
        );
    }

    #[test]
    fn beyond_loopback_callers_need_tokens() {
        let open = "can be reached from other hosts, and without [auth] anybody there could run the servers";
        let found = messages(
            "[http]\nlisten = [\"0.0.0.0:1\"]\n[servers.a]\ncommand = \"sh\"\nlisten = \"10.0.0.1:2\"\n",
        );
        assert_eq!(
            found,
            [
                format!("http.listen[0]: 0.0.0.0:1 {open}"),
                format!("servers.a.listen: 10.0.0.1:2 {open}")
            ]
        );
        let empty = messages(
            "[http]\nlisten = [\"[::]:1\"]\n[auth]\ntokens = []\n[servers.a]\ncommand = \"sh\"",
        );
        assert_eq!(empty, [format!("http.listen[0]: [::]:1 {open}")]);
    }
}
