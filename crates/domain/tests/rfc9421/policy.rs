//! What has to be covered, and `Content-Digest` (RFC 9530).

use super::*;

#[test]
fn coverage_needs_method_target_and_body() {
    let check = |target: &str, body: &str, list: &str| {
        let request = Request::new("POST", "a", target).with_body(body).covering(list);
        let input = request.input().expect("valid");
        request.see(|view| check_coverage(&input, view))
    };
    for list in [
        r#"("@method" "@target-uri")"#,
        r#"("@target-uri" "date" "@method")"#,
        r#"("@method" "@authority" "@request-target")"#,
        r#"("@method" "@authority" "@path" "@query")"#,
    ] {
        assert_eq!(check("/p?q", "", list), Ok(()), "{list}");
        assert_eq!(check("/p", "", list), Ok(()), "{list}");
        assert_eq!(check("/p", "{}", list), Err(CoverageError::ContentDigest), "{list}");
        assert_eq!(check("/p", "{}", &list.replace(')', " \"content-digest\")")), Ok(()), "{list}");
        assert_eq!(check("/p?q", "", &list.replace("@method", "method")), Err(CoverageError::Method), "{list}");
    }
    let path = r#"("@method" "@authority" "@path")"#;
    assert_eq!(check("/p", "", path), Ok(()));
    assert_eq!(check("/p?q", "", path), Err(CoverageError::Query));
    assert_eq!(check("/p?", "", path), Err(CoverageError::Query));
    for (list, expected) in [
        ("()", CoverageError::Method),
        (r#"("@target-uri")"#, CoverageError::Method),
        (r#"("@method")"#, CoverageError::Target),
        (r#"("@method" "@path" "@query")"#, CoverageError::Target),
        (r#"("@method" "@request-target")"#, CoverageError::Target),
        (r#"("@method" "@authority")"#, CoverageError::Target),
        (r#"("@method" "@authority" "@query")"#, CoverageError::Target),
        (r#"("@method" "@scheme" "host" "@path")"#, CoverageError::Target),
        (r#"("@method" "@authority" "@path" "@query-param";name="q")"#, CoverageError::Query),
    ] {
        assert_eq!(check("/p?q", "", list), Err(expected), "{list}");
    }
    for partial in
        [r#""content-digest";key="sha-256""#, r#""content-digest";sf"#, r#""content-digest";bs"#, r#""digest""#]
    {
        let list = format!(r#"("@method" "@target-uri" {partial})"#);
        assert_eq!(check("/p", "{}", &list), Err(CoverageError::ContentDigest), "{list}");
    }
}

#[test]
fn covers_means_the_whole_component() {
    let request =
        Request::new("POST", "a", "/").covering(r#"("idempotency-key" "x";bs "y";key="z" "@query-param";name="q")"#);
    let input = request.input().expect("valid");
    assert!(input.covers("idempotency-key"));
    for name in ["x", "y", "y\";key=\"z", "@query-param", "q", "", "Idempotency-Key", "\"idempotency-key\""] {
        assert!(!input.covers(name), "{name}");
    }
}

#[test]
fn content_digest_vouches_for_the_body_or_is_refused() {
    let body = b"{\"hello\": \"world\"}";
    let sha256 = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    assert_eq!(content_digest(body), sha256);
    let check = |field: &str, body: &[u8]| {
        Request::new("POST", "a", "/").with("content-digest", field).with_body(body).see(check_content_digest)
    };
    for field in [
        sha256.to_owned(),
        DIGEST.to_owned(),
        format!("{sha256}, {DIGEST}"),
        format!("{DIGEST} ,\t{sha256}"),
        format!("md5=:AAAA:,{sha256},unixsum=::"),
    ] {
        assert_eq!(check(&field, body), Ok(()), "{field}");
        assert_eq!(check(&field, b"{\"hello\": \"worle\"}"), Err(DigestError::Mismatch), "{field}");
        assert_eq!(check(&field, b""), Err(DigestError::Mismatch), "{field}");
        assert_eq!(check(&field, b"{\"hello\": \"world\"}\n"), Err(DigestError::Mismatch), "{field}");
    }
    assert_eq!(
        check("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", b"{\"hello\": \"world\"}\n"),
        Ok(()),
        "RFC 9530 appendix B.1"
    );
    assert_eq!(check(&content_digest(b""), b""), Ok(()));

    let wrong = sha256.replace("X4", "X5");
    for (field, expected) in [
        (format!("{wrong}, {DIGEST}"), DigestError::Mismatch),
        (format!("{DIGEST}, {wrong}"), DigestError::Mismatch),
        ("sha-256=::".to_owned(), DigestError::Mismatch),
        ("sha-256=:X48E9qOokqqrvdts8nOJRA==:".to_owned(), DigestError::Mismatch),
        (sha256.replace("sha-256", "sha-512"), DigestError::Mismatch),
        (format!("{sha256}, {sha256}"), DigestError::Repeated),
        (format!("{wrong}, {sha256}"), DigestError::Repeated),
        (format!("md5=:AAAA:, md5=:AAAA:, {sha256}"), DigestError::Repeated),
        ("md5=:AAAA:".to_owned(), DigestError::NoKnownAlgorithm),
        (sha256.replace("sha-256", "sha256"), DigestError::NoKnownAlgorithm),
        (sha256.replace("sha-256", "SHA-256"), DigestError::Syntax),
        (sha256.replace("PE=", "PF="), DigestError::Syntax),
        (sha256.replace("PE=", "PE"), DigestError::Syntax),
        (sha256.replace("PE=", "P-="), DigestError::Syntax),
        (sha256.replace("=:X", "= :X"), DigestError::Syntax),
        (sha256.replace(':', ""), DigestError::Syntax),
        (sha256.replace(':', "\""), DigestError::Syntax),
        (format!("{sha256};a=1"), DigestError::Syntax),
        (format!("{sha256},"), DigestError::Syntax),
        (format!(",{sha256}"), DigestError::Syntax),
        (format!("{sha256}, md5"), DigestError::Syntax),
        (format!("{sha256}, md5=\"a,b\""), DigestError::Syntax),
        ("".to_owned(), DigestError::Syntax),
        (format!("{sha256}{}", ", ".repeat(CONTENT_DIGEST_BYTES_MAX)), DigestError::TooLong),
    ] {
        assert_eq!(check(&field, body), Err(expected), "{field}");
    }
    let padded = |length: usize| format!("{sha256},{}md5=::", " ".repeat(length - sha256.len() - ",md5=::".len()));
    assert_eq!(check(&padded(CONTENT_DIGEST_BYTES_MAX), body), Ok(()));
    assert_eq!(check(&padded(CONTENT_DIGEST_BYTES_MAX + 1), body), Err(DigestError::TooLong));
    let plain = Request::new("POST", "a", "/");
    assert_eq!(plain.see(check_content_digest), Ok(()));
    assert_eq!(plain.clone().with_body("x").see(check_content_digest), Err(DigestError::Missing));
    let lines = plain.with_body(body).with("content-digest", DIGEST).with("content-digest", sha256);
    assert_eq!(lines.see(check_content_digest), Ok(()));
    assert_eq!(lines.with("content-digest", sha256).see(check_content_digest), Err(DigestError::Repeated));
}

#[test]
fn every_bit_of_a_content_digest_counts() {
    let request = test_request(B25);
    assert_eq!(request.see(check_content_digest), Ok(()));
    for changed in with_one_bit_changed(&request, "content-digest") {
        assert!(changed.see(check_content_digest).is_err(), "{:?}", changed.headers);
    }
}
