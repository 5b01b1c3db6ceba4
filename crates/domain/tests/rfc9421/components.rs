//! The values of components (section 2) and the base they make (section 2.5).

use super::*;

#[test]
fn derived_components_have_the_values_of_section_2_2() {
    let request = Request::new("POST", "www.example.com", "/path?param=value");
    for (component, expected) in [
        ("\"@method\"", "POST"),
        ("\"@target-uri\"", "https://www.example.com/path?param=value"),
        ("\"@authority\"", "www.example.com"),
        ("\"@scheme\"", "https"),
        ("\"@request-target\"", "/path?param=value"),
        ("\"@path\"", "/path"),
        ("\"@query\"", "?param=value"),
    ] {
        assert_eq!(request.value_of(component).as_deref(), Ok(expected), "{component}");
    }
    let queries = [
        ("/path?param=value&foo=bar&baz=bat%2Dman", "?param=value&foo=bar&baz=bat%2Dman"),
        ("/path?queryString", "?queryString"),
        ("/path", "?"),
        ("/path?", "?"),
        ("/path??", "??"),
    ];
    for (target, expected) in queries {
        assert_eq!(Request::new("GET", "a", target).value_of("\"@query\"").as_deref(), Ok(expected));
    }
    let empty = Request { scheme: "HTTPS".to_owned(), ..Request::new("GET", "A:443", "") };
    assert_eq!(empty.value_of("\"@path\"").as_deref(), Ok("/"), "an empty path is a solidus");
    assert_eq!(empty.value_of("\"@target-uri\"").as_deref(), Ok("https://a/"));
    assert_eq!(empty.value_of("\"@scheme\"").as_deref(), Ok("https"));
    assert_eq!(Request::new("GET", "a", "/%7Ea/../B;c").value_of("\"@path\"").as_deref(), Ok("/%7Ea/../B;c"));
    assert_eq!(Request::new("get", "a", "/").value_of("\"@method\"").as_deref(), Ok("get"), "case is kept");
}

#[test]
fn authority_is_normalised_and_nonsense_is_refused() {
    let value = |authority: &str| Request::new("GET", authority, "/").value_of("\"@authority\"");
    for (authority, expected) in [
        ("WWW.Example.com", "www.example.com"),
        ("example.com:443", "example.com"),
        ("example.com:8443", "example.com:8443"),
        ("example.com:80", "example.com:80"),
        ("[2001:DB8::443]", "[2001:db8::443]"),
        ("[::1]:443", "[::1]"),
    ] {
        assert_eq!(value(authority).as_deref(), Ok(expected));
    }
    for authority in ["", ":443", ":", "a/b", "a?b", "a#b", "u@a", "a\\b", "a b", "ä.example", "a\nb"] {
        assert_eq!(value(authority), Err(BaseError::Authority), "{authority:?}");
        assert_eq!(Request::new("GET", authority, "/").value_of("\"@target-uri\""), Err(BaseError::Authority));
    }
}

#[test]
fn targets_that_are_no_path_are_refused() {
    for target in ["*", "http://a/", "a", "/a#b", "/a b", "/ä", "/a\n", "/a?b\rc", "#"] {
        let request = Request::new("GET", "a", target);
        for component in ["\"@target-uri\"", "\"@request-target\"", "\"@path\"", "\"@query\""] {
            assert_eq!(request.value_of(component), Err(BaseError::Target), "{component} of {target:?}");
        }
    }
}

#[test]
fn query_parameters_have_the_values_of_section_2_2_8() {
    let value = |target: &str, name: &str| {
        Request::new("GET", "www.example.com", target).value_of(&format!("\"@query-param\";name=\"{name}\""))
    };
    let plain = "/path?param=value&foo=bar&baz=batman&qux=";
    assert_eq!(value(plain, "baz").as_deref(), Ok("batman"));
    assert_eq!(value(plain, "qux").as_deref(), Ok(""));
    assert_eq!(value(plain, "param").as_deref(), Ok("value"));
    let odd = concat!(
        "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace",
        "&fa%C3%A7ade%22%3A%20=something"
    );
    assert_eq!(value(odd, "var").as_deref(), Ok("this%20is%20a%20big%0Amultiline%20value"));
    assert_eq!(value(odd, "bar").as_deref(), Ok("with%20plus%20whitespace"));
    assert_eq!(value(odd, "fa%C3%A7ade%22%3A%20").as_deref(), Ok("something"));

    assert_eq!(value("/?a=%7e~*-._%2a!b=c", "a").as_deref(), Ok("%7E%7E*-._*%21b%3Dc"), "only forms' own stay");
    assert_eq!(value("/?a", "a").as_deref(), Ok(""));
    assert_eq!(value("/?&&a=1&", "a").as_deref(), Ok("1"), "empty pairs are none");
    assert_eq!(value("/?%61=1", "a").as_deref(), Ok("1"), "names are compared decoded");

    assert_eq!(value("/?a=1", "b"), Err(BaseError::MissingQueryParam));
    assert_eq!(value("/?a=1", "A"), Err(BaseError::MissingQueryParam));
    assert_eq!(value("/", "a"), Err(BaseError::MissingQueryParam));
    assert_eq!(value("/?&", ""), Err(BaseError::MissingQueryParam));
    assert_eq!(value("/?a=1&a=1", "a"), Err(BaseError::RepeatedQueryParam));
    assert_eq!(value("/?a=1&%61=2", "a"), Err(BaseError::RepeatedQueryParam));
    for target in ["/?a=%", "/?a=%4", "/?a=%4g", "/?a=%ff", "/?a=1&%ff=2", "/?%=1&a=1", "/?a=%ed%a0%80"] {
        assert_eq!(value(target, "a"), Err(BaseError::QueryEncoding), "{target}");
    }
}

#[test]
fn header_fields_have_the_values_of_section_2_1() {
    let request = Request::new("GET", "www.example.com", "/")
        .with("x-ows-header", "   Leading and trailing whitespace.   ")
        .with("x-obs-fold-header", "Obsolete\r\n    line folding.")
        .with("cache-control", "max-age=60")
        .with("x-empty-header", "")
        .with("cache-control", "    must-revalidate")
        .with("example-dict", "  a=1,    b=2;x=1;y=2,   c=(a   b   c), d");
    for (component, expected) in [
        ("\"x-ows-header\"", "Leading and trailing whitespace."),
        ("\"x-obs-fold-header\"", "Obsolete line folding."),
        ("\"cache-control\"", "max-age=60, must-revalidate"),
        ("\"x-empty-header\"", ""),
        ("\"example-dict\"", "a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        ("\"example-dict\";key=\"a\"", "1"),
        ("\"example-dict\";key=\"b\"", "2;x=1;y=2"),
        ("\"example-dict\";key=\"c\"", "(a b c)"),
        ("\"example-dict\";key=\"d\"", "?1"),
    ] {
        assert_eq!(request.value_of(component).as_deref(), Ok(expected), "{component}");
    }
    assert_eq!(request.value_of("\"example-dict\";key=\"e\""), Err(BaseError::MissingMember));
    assert_eq!(request.value_of("\"x-ows-header\";key=\"a\""), Err(BaseError::Structure));
    assert_eq!(request.value_of("\"example-dict\";sf"), Err(BaseError::UnknownStructure));
    assert_eq!(request.value_of("\"x-absent\""), Err(BaseError::MissingField));
    assert_eq!(request.value_of("\"x-absent\";bs"), Err(BaseError::MissingField));
    assert_eq!(request.value_of("\"x-absent\";key=\"a\""), Err(BaseError::MissingField));
    assert_eq!(request.value_of("\"priority\";sf"), Err(BaseError::MissingField));
}

#[test]
fn byte_sequences_keep_lines_apart_as_in_section_2_1_3() {
    let apart =
        Request::new("GET", "a", "/").with("example-header", "value, with, lots").with("example-header", "of, commas");
    let joined = Request::new("GET", "a", "/").with("example-header", "value, with, lots, of, commas");
    let component = "\"example-header\";bs";
    assert_eq!(apart.value_of(component).as_deref(), Ok(":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"));
    assert_eq!(joined.value_of(component).as_deref(), Ok(":dmFsdWUsIHdpdGgsIGxvdHMsIG9mLCBjb21tYXM=:"));
    assert_eq!(apart.value_of("\"example-header\""), joined.value_of("\"example-header\""));
    let odd = Request::new("GET", "a", "/").with("x", b"\xff\n");
    assert_eq!(odd.value_of("\"x\""), Err(BaseError::Value));
    assert_eq!(odd.value_of("\"x\";bs").as_deref(), Ok(":/wo=:"));
}

#[test]
fn structured_fields_are_serialised_canonically() {
    let value =
        |name: &str, field: &str| Request::new("GET", "a", "/").with(name, field).value_of(&format!("\"{name}\";sf"));
    assert_eq!(value("priority", "u=1 ,  i=?1").as_deref(), Ok("u=1, i"));
    assert_eq!(value("content-digest", "sha-256=:AB==:").as_deref(), Ok("sha-256=:AA==:"));
    assert_eq!(value("cache-status", "a;hit ,b;fwd=miss").as_deref(), Ok("a;hit, b;fwd=miss"));
    assert_eq!(value("client-cert", ":AAAA:;  a=1.50").as_deref(), Ok(":AAAA:;a=1.5"));
    assert_eq!(value("priority", "u=,"), Err(BaseError::Structure));
    assert_eq!(value("priority", ""), Err(BaseError::Structure), "an empty dictionary has no serialisation");
    assert_eq!(value("cache-control", "max-age=1"), Err(BaseError::UnknownStructure));
}

#[test]
fn no_value_can_add_a_line_to_the_base() {
    for value in ["a\n\"@method\": GET", "a\rb", "a\r\nb", "a\r\n", "a\0b", "a\u{7f}", "ä", "a\r\n \nb", "\u{b}"] {
        let request = Request::new("GET", "a", "/").with("x", value);
        assert_eq!(request.value_of("\"x\""), Err(BaseError::Value), "{value:?}");
    }
    for (value, expected) in [("a\tb", "a\tb"), ("a \t\r\n\t b", "a b"), ("a\r\n \r\n\tb", "a b"), ("a\r\n ", "a\r\n")]
    {
        let found = Request::new("GET", "a", "/").with("x", value).value_of("\"x\"");
        match expected.contains('\r') {
            true => assert_eq!(found, Err(BaseError::Value)),
            false => assert_eq!(found.as_deref(), Ok(expected)),
        }
    }
    assert_eq!(Request::new("GE\nT", "a", "/").value_of("\"@method\""), Err(BaseError::Value));
    assert_eq!(
        Request { scheme: "ht\ntp".to_owned(), ..Request::new("GET", "a", "/") }.value_of("\"@scheme\""),
        Err(BaseError::Value)
    );
}

#[test]
fn a_base_that_fails_leaves_the_buffer_alone_and_one_that_succeeds_appends() {
    let request = Request::new("GET", "a", "/").covering(r#"("@method" "x")"#);
    let input = request.input().expect("valid");
    let mut out = b"before".to_vec();
    assert_eq!(request.see(|view| signature_base(view, &input, &mut out)), Err(BaseError::MissingField));
    assert_eq!(out, b"before");
    assert_eq!(request.with("x", "1").see(|view| signature_base(view, &input, &mut out)), Ok(()));
    assert!(out.starts_with(b"before\"@method\": GET\n\"x\": 1\n"));
}

#[test]
fn a_base_beyond_the_limit_is_refused() {
    let long = |length: usize| Request::new("GET", "a", "/").with("x", "a".repeat(length)).covering(r#"("x")"#).base();
    let rest = "\"x\": \n\"@signature-params\": (\"x\");created=1;keyid=\"k\"".len();
    assert_eq!(long(BASE_BYTES_MAX - rest).map(|base| base.len()), Ok(BASE_BYTES_MAX));
    assert_eq!(long(BASE_BYTES_MAX - rest + 1), Err(BaseError::TooLong));
    assert_eq!(long(BASE_BYTES_MAX), Err(BaseError::TooLong));
}
