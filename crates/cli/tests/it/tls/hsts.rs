//! Browsers are told to come by https where they can, and never where they cannot.

use keymint_testkit::{Authority, Database, Dev, Reply, Request, Serving};

use super::{NAME, binary, table};

const YEAR: Option<&str> = Some("max-age=31536000");

fn told(reply: &Reply) -> Option<&str> {
    reply.header("strict-transport-security")
}

fn page(dev: &Dev, fields: &[(&str, &str)]) -> Reply {
    let request = Request::new("GET", "/sign-in");
    fields.iter().fold(request, |request, (name, value)| request.header(name, value)).send(dev.console)
}

#[test]
fn the_console_tells_browsers_to_come_by_https_alone_where_they_do() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let files = authority.certificate(NAME).write(folder.path(), "both");
    let tables = format!("{}\n{}", table("console", &files), table("gateway", &files));
    let dev = Dev::serve_as(binary(), folder.path(), Database::Sqlite, &Serving { tables, ..Serving::default() });
    for path in ["/sign-in", "/api/v1/merchants", "/nothing/here", "/assets/console.css"] {
        let reply = authority.raw(dev.console, NAME, &Request::new("GET", path).bytes(NAME)).expect("an answer");
        assert_eq!(told(&reply), YEAR, "{path}");
    }
    // A client of an API does not remember it, and a gateway's name may stand for more.
    let bytes = Request::new("GET", "/razorpay/v1/orders").bytes(NAME);
    assert_eq!(told(&authority.raw(dev.gateway, NAME, &bytes).expect("an answer")), None);
}

#[test]
fn behind_a_proxy_its_word_or_the_consoles_address_decides() {
    let https = [("X-Forwarded-Proto", "https")];
    for (listen, alone, with_word) in [
        ("", None, None),
        ("trusted_proxies = [\"127.0.0.1/32\"]\n", None, YEAR),
        ("console_url = \"https://console.example\"\n", YEAR, YEAR),
        ("console_url = \"http://localhost:8080\"\n", None, None),
    ] {
        let dev = Dev::serve_for_now(binary(), &Serving { listen: listen.to_owned(), ..Serving::default() });
        assert_eq!((told(&page(&dev, &[])), told(&page(&dev, &https))), (alone, with_word), "{listen}");
        assert_eq!(page(&dev, &[]).status, 200, "no redirect");
    }
}
