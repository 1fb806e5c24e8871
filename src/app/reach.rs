//! Who reaches a listener: processes on this host alone, or containers on it too.
//!
//! A container has a loopback of its own. It calls its host by another address, mostly under a name that its engine gives the
//! host, and is refused where the host listens on loopback alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::listen::ListenAddr;

/// The name of the host in containers of Podman, and what their users would try. Docker's is `host.docker.internal`.
pub(super) const HOST_OF_CONTAINERS: &str = "host.containers.internal";

/// Host and port by which containers find the first listener that they reach. One on all addresses is found under the name of the
/// host; for one on a single address the engine may mean another by that name, so that the address itself is told.
pub(super) fn way_of_containers(listen: &[ListenAddr]) -> Option<String> {
    listen.iter().find_map(|address| match address {
        ListenAddr::Tcp(ip) if ip.ip().is_unspecified() => {
            Some(format!("{HOST_OF_CONTAINERS}:{}", ip.port()))
        }
        ListenAddr::Tcp(ip) if !address.is_loopback() => Some(ip.to_string()),
        ListenAddr::Tcp(_) | ListenAddr::Unix(_) => None,
    })
}

/// The line that lets containers in, with the listeners there are and one on the address that Podman's network gives the host.
pub(super) fn line_for_containers(listen: &[ListenAddr]) -> String {
    let port = listen.iter().find_map(|address| connectable(address).map(|ip| ip.port()));
    let more = format!("10.88.0.1:{}", port.unwrap_or(8750));
    let all: Vec<String> = listen
        .iter()
        .map(ToString::to_string)
        .chain([more])
        .map(|one| format!("{one:?}"))
        .collect();
    format!("listen = [{}]", all.join(", "))
}

/// The address to connect to, for a listener that has one before it is bound. One that listens on all addresses is found on
/// loopback too.
pub(super) fn connectable(address: &ListenAddr) -> Option<SocketAddr> {
    let ListenAddr::Tcp(ip) = address else { return None };
    let host = match ip.ip() {
        all @ IpAddr::V4(_) if all.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        all @ IpAddr::V6(_) if all.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        one @ (IpAddr::V4(_) | IpAddr::V6(_)) => one,
    };
    (ip.port() != 0).then_some(SocketAddr::new(host, ip.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(addresses: &[&str]) -> Vec<ListenAddr> {
        addresses.iter().map(|address| ListenAddr::parse(address).unwrap()).collect()
    }

    #[test]
    fn containers_reach_what_is_not_loopback() {
        let check = |addresses: &[&str], way: Option<&str>| {
            assert_eq!(way_of_containers(&listen(addresses)).as_deref(), way, "{addresses:?}");
        };
        check(&["127.0.0.1:1", "[::1]:2", "127.1.2.3:4", "unix:/run/s"], None);
        check(&["127.0.0.1:1", "10.88.0.1:2"], Some("10.88.0.1:2"));
        check(&["192.168.1.7:2", "0.0.0.0:3"], Some("192.168.1.7:2"));
        check(&["[::]:3"], Some("host.containers.internal:3"));
        check(&["[fd00::1]:3"], Some("[fd00::1]:3"));
        check(&["0.0.0.0:4", "10.88.0.1:5"], Some("host.containers.internal:4"));
    }

    #[test]
    fn the_line_keeps_what_is_there() {
        let check = |addresses: &[&str], line: &str| {
            assert_eq!(line_for_containers(&listen(addresses)), line);
        };
        check(&["127.0.0.1:9000"], r#"listen = ["127.0.0.1:9000", "10.88.0.1:9000"]"#);
        check(&["unix:/run/s"], r#"listen = ["unix:/run/s", "10.88.0.1:8750"]"#);
        check(&[], r#"listen = ["10.88.0.1:8750"]"#);
    }

    #[test]
    fn an_address_to_connect_to_is_one_that_is_known() {
        let check = |address: &str, to: Option<&str>| {
            let found = connectable(&ListenAddr::parse(address).unwrap());
            assert_eq!(found.map(|ip| ip.to_string()).as_deref(), to, "{address}");
        };
        check("0.0.0.0:1", Some("127.0.0.1:1"));
        check("[::]:1", Some("[::1]:1"));
        check("10.0.0.1:1", Some("10.0.0.1:1"));
        check("127.0.0.1:0", None);
        check("unix:/run/s", None);
    }
}
