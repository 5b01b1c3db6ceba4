//! What an operator adds to a configuration later, without thinking of Keymint: it is protected as well.

use keymint_testkit::{Request, Upstream};

use super::front::{Front, Kind};
use super::{Stand, assert_introduced, send};

/// A line of each shipped file, and the same with a way to the upstream of its own before it.
fn addition(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Nginx | Kind::NginxBodies => {
            ("    location / {", "    location /added { proxy_pass http://payments; }\n    location / {")
        }
        Kind::Caddy => (
            "\treverse_proxy {$PAYMENTS:127.0.0.1:9000}",
            "\thandle /added {\n\t\treverse_proxy {$PAYMENTS}\n\t}\n\treverse_proxy {$PAYMENTS}",
        ),
        Kind::Haproxy => (
            "    default_backend payments",
            "    use_backend payments if { path_beg /added }\n    default_backend payments",
        ),
        Kind::Apache => ("    ProxyPass / ", "    ProxyPass /added ${PAYMENTS}/added\n    ProxyPass / "),
        Kind::EnvoyHttp | Kind::EnvoyGrpc => (
            "              - match: { prefix: \"/\" }",
            "              - match: { prefix: \"/added\" }\n                route: { cluster: payments }\n              - match: \
             { prefix: \"/\" }",
        ),
        Kind::Keymint => ("", ""),
    }
}

#[test]
fn a_location_a_route_or_a_backend_that_is_added_later_is_protected_too() {
    for kind in
        [Kind::Nginx, Kind::NginxBodies, Kind::Caddy, Kind::Haproxy, Kind::Apache, Kind::EnvoyHttp, Kind::EnvoyGrpc]
    {
        let stand = Stand::of(kind, "razorpay");
        let key = stand.dev.key("razorpay", "added");
        let upstream = Upstream::plain();
        let addresses = (stand.tap.address, upstream.address);
        let front = Front::start_changed(kind, "razorpay", addresses, &[addition(kind)]);
        let ask = |request: Request| send(front.address, &request.bytes("h")).map(|reply| reply.status);
        let refused = ask(Request::new("GET", "/added"));
        assert!(matches!(refused, Some(401 | 403)), "{kind:?}: {refused:?}");
        assert_eq!(upstream.seen().len(), 0, "{kind:?}");
        let allowed = ask(Request::new("GET", "/added").header("Authorization", &key.basic()));
        if kind == Kind::NginxBodies {
            assert_eq!((allowed, upstream.seen().len()), (Some(403), 0), "closed until it asks");
        } else {
            assert_eq!(allowed, Some(200), "{kind:?}");
            assert_introduced(&upstream.only(), &key, "added");
        }
    }
}
