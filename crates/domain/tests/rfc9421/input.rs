//! `Signature-Input` and `Signature` (sections 2.3 and 4): what is refused, and where the limits are.

use super::*;

#[test]
fn component_identifiers_that_no_request_has_are_refused() {
    let cases: &[(&str, ComponentError)] = &[
        ("", ComponentError::Syntax),
        ("\"a", ComponentError::Syntax),
        ("\"a\" \"b\"", ComponentError::Syntax),
        ("(\"a\")", ComponentError::Syntax),
        ("date", ComponentError::NotAString),
        ("1", ComponentError::NotAString),
        (":AAAA:", ComponentError::NotAString),
        ("\"@status\"", ComponentError::UnknownDerived),
        ("\"@signature-params\"", ComponentError::UnknownDerived),
        ("\"@Method\"", ComponentError::UnknownDerived),
        ("\"@\"", ComponentError::UnknownDerived),
        ("\"@query-params\"", ComponentError::UnknownDerived),
        ("\"\"", ComponentError::FieldName),
        ("\"Date\"", ComponentError::FieldName),
        ("\"da te\"", ComponentError::FieldName),
        ("\"date:\"", ComponentError::FieldName),
        ("\"da\\\"te\"", ComponentError::FieldName),
        ("\"date@\"", ComponentError::FieldName),
        ("\"date\";req", ComponentError::Parameter),
        ("\"date\";tr", ComponentError::Parameter),
        ("\"date\";x=1", ComponentError::Parameter),
        ("\"date\";name=\"a\"", ComponentError::Parameter),
        ("\"@method\";req", ComponentError::Parameter),
        ("\"@path\";sf", ComponentError::Parameter),
        ("\"@query-param\";key=\"a\"", ComponentError::Parameter),
        ("\"date\";sf=?0", ComponentError::ParameterType),
        ("\"date\";sf=1", ComponentError::ParameterType),
        ("\"date\";bs=\"a\"", ComponentError::ParameterType),
        ("\"date\";key", ComponentError::ParameterType),
        ("\"date\";key=a", ComponentError::ParameterType),
        ("\"@query-param\";name=a", ComponentError::ParameterType),
        ("\"date\";sf;bs", ComponentError::ManyParameters),
        ("\"date\";sf;sf", ComponentError::ManyParameters),
        ("\"date\";key=\"a\";key=\"b\"", ComponentError::ManyParameters),
        ("\"date\";bs;req", ComponentError::ManyParameters),
        ("\"@query-param\";name=\"a\";req", ComponentError::ManyParameters),
        ("\"@query-param\"", ComponentError::MissingName),
    ];
    for (identifier, expected) in cases {
        assert_eq!(Component::parse(identifier), Err(*expected), "{identifier}");
        if *expected != ComponentError::Syntax {
            let refused = Request::new("GET", "a", "/").covering(&format!("(\"@method\" {identifier})")).input();
            assert_eq!(refused.map(|_| ()), Err(SignatureInputError::Component(*expected)), "{identifier}");
        }
    }
    for (identifier, canonical) in [
        ("\"date\";sf=?1", "\"date\";sf"),
        ("  \"date\";  bs  ", "\"date\";bs"),
        ("\"date\";key=\"a\\\\\\\"\"", "\"date\";key=\"a\\\\\\\"\""),
        ("\"x_!#$%&'*+.^`|~-1\"", "\"x_!#$%&'*+.^`|~-1\""),
    ] {
        assert_eq!(Component::parse(identifier).expect("known").identifier(), canonical);
    }
}

#[test]
fn a_component_covered_twice_is_refused() {
    let parse = |list: &str| Request::new("GET", "a", "/").covering(list).input().map(|_| ());
    for list in [
        r#"("date" "date")"#,
        r#"("@method" "date" "@method")"#,
        r#"("date";sf "date";sf=?1)"#,
        r#"("@query-param";name="a" "@query-param"; name="a")"#,
        r#"("date";key="a" "date";key="a")"#,
    ] {
        assert_eq!(parse(list), Err(SignatureInputError::RepeatedComponent), "{list}");
    }
    let distinct =
        r#"("date" "date";sf "date";bs "date";key="a" "date";key="b" "@query-param";name="a" "@query-param";name="b")"#;
    assert_eq!(parse(distinct), Ok(()));
}

#[test]
fn signature_input_is_read_strictly() {
    let list = r#"("@method")"#;
    let needed = r#";created=1;keyid="k""#;
    let good = format!("sig1={list}{needed}");
    let cases: &[(String, SignatureInputError)] = &[
        (String::new(), SignatureInputError::LabelCount),
        (format!("{good}, sig2={list}{needed}"), SignatureInputError::LabelCount),
        (format!("{good}, sig1={list}{needed}"), SignatureInputError::LabelCount),
        (format!("{good},"), SignatureInputError::Syntax),
        (format!("{good};"), SignatureInputError::Syntax),
        (format!("Sig1={list}{needed}"), SignatureInputError::Syntax),
        (format!("sig1= {list}{needed}"), SignatureInputError::Syntax),
        (format!("sig1=(\"@method\"{needed}"), SignatureInputError::Syntax),
        (format!("sig1=(\"@method\"\"date\"){needed}"), SignatureInputError::Syntax),
        (format!("sig1={list};created=1;keyid=\"ä\""), SignatureInputError::Syntax),
        (format!("sig1={list};created=1;keyid=\"k\n\""), SignatureInputError::Syntax),
        (format!("sig1={list};created=1000000000000000;keyid=\"k\""), SignatureInputError::Syntax),
        (format!("sig1=\"@method\"{needed}"), SignatureInputError::NotAList),
        (format!("sig1{needed}"), SignatureInputError::NotAList),
        (format!("{}={list}{needed}", "s".repeat(LABEL_BYTES_MAX + 1)), SignatureInputError::LabelTooLong),
        (format!("{good};x=1"), SignatureInputError::UnknownParameter),
        (format!("{good};Created=1"), SignatureInputError::Syntax),
        (format!("{good};created=1"), SignatureInputError::RepeatedParameter(Parameter::Created)),
        (format!("{good};keyid=\"other\""), SignatureInputError::RepeatedParameter(Parameter::Keyid)),
        (format!("sig1={list};keyid=\"k\""), SignatureInputError::MissingParameter(Parameter::Created)),
        (format!("sig1={list};created=1"), SignatureInputError::MissingParameter(Parameter::Keyid)),
        (format!("sig1={list};created=\"1\";keyid=\"k\""), SignatureInputError::ParameterType(Parameter::Created)),
        (format!("sig1={list};created=1.0;keyid=\"k\""), SignatureInputError::ParameterType(Parameter::Created)),
        (format!("sig1={list};created=@1;keyid=\"k\""), SignatureInputError::ParameterType(Parameter::Created)),
        (format!("sig1={list};created;keyid=\"k\""), SignatureInputError::ParameterType(Parameter::Created)),
        (format!("sig1={list};created=1;keyid=k"), SignatureInputError::ParameterType(Parameter::Keyid)),
        (format!("sig1={list};created=1;keyid=:aw==:"), SignatureInputError::ParameterType(Parameter::Keyid)),
        (format!("{good};expires=?1"), SignatureInputError::ParameterType(Parameter::Expires)),
        (format!("{good};nonce=1"), SignatureInputError::ParameterType(Parameter::Nonce)),
        (format!("{good};tag=t"), SignatureInputError::ParameterType(Parameter::Tag)),
        (format!("{good};alg=hmac-sha256"), SignatureInputError::ParameterType(Parameter::Alg)),
        (format!("sig1={list};created=-1;keyid=\"k\""), SignatureInputError::ParameterRange(Parameter::Created)),
        (format!("{good};expires=-1"), SignatureInputError::ParameterRange(Parameter::Expires)),
        (format!("sig1={list};created=1;keyid=\"\""), SignatureInputError::ParameterRange(Parameter::Keyid)),
        (format!("{good};nonce=\"\""), SignatureInputError::ParameterRange(Parameter::Nonce)),
        (
            format!("{good};tag=\"{}\"", "t".repeat(TEXT_BYTES_MAX + 1)),
            SignatureInputError::ParameterRange(Parameter::Tag),
        ),
    ];
    let parse = |value: &str| {
        let request = Request::new("GET", "a", "/").with("signature-input", value).with("signature", "sig1=:AA==:");
        request.input().map(|_| ())
    };
    assert_eq!(parse(&good), Ok(()));
    for (value, expected) in cases {
        assert_eq!(parse(value), Err(*expected), "{value}");
    }
}

#[test]
fn algorithms_other_than_hmac_sha256_are_refused() {
    let parse = |alg: &str| {
        Request::new("GET", "a", "/")
            .with("signature-input", format!("sig1=();created=1;keyid=\"k\";alg=\"{alg}\""))
            .with("signature", "sig1=:AA==:")
            .input()
    };
    assert_eq!(parse("hmac-sha256").expect("ours").alg(), Some("hmac-sha256"));
    for alg in [
        "none",
        "hmac-sha1",
        "hmac-sha512",
        "HMAC-SHA256",
        "Hmac-Sha256",
        "hmac-sha256 ",
        " hmac-sha256",
        "hmac_sha256",
        "hs256",
        "sha256",
        "hmac",
        "hmac-sha2566",
        "rsa-pss-sha512",
        "rsa-v1_5-sha256",
        "ecdsa-p256-sha256",
        "ecdsa-p384-sha384",
        "ed25519",
        "hs2019",
    ] {
        assert_eq!(parse(alg).map(|_| ()), Err(SignatureInputError::Algorithm), "{alg}");
    }
    assert_eq!(parse("").map(|_| ()), Err(SignatureInputError::ParameterRange(Parameter::Alg)));
}

#[test]
fn signature_is_one_byte_sequence_in_its_one_spelling() {
    let parse = |signature: &str| {
        Request::new("GET", "a", "/")
            .with("signature-input", "sig1=();created=1;keyid=\"k\"")
            .with("signature", signature)
            .input()
            .map(|input| input.signature().to_vec())
    };
    assert_eq!(parse("sig1=:AAE=:"), Ok(vec![0, 1]));
    assert_eq!(parse(" sig1=:AAE=:\t"), Ok(vec![0, 1]), "white space around a field is HTTP's");
    for signature in [
        "",
        "sig1",
        "sig1=AAE=",
        "sig1=\"AAE=\"",
        "sig1=:AAE:",
        "sig1=:AAF=:",
        "sig1=:AAE=",
        "sig1=:AAE=::",
        "sig1=:AAE==:",
        "sig1=:A_E=:",
        "sig1=:AA E=:",
        "sig1=:AAE=\n:",
        "sig1 =:AAE=:",
        "sig1= :AAE=:",
        "Sig1=:AAE=:",
        "sig2=:AAE=:",
        "sig1=:AAE=:;a=1",
        "sig1=:AAE=:, sig1=:AAE=:",
        "sig1=:AAE=:, sig2=:AAE=:",
        "sig2=:AAE=:, sig1=:AAE=:",
        "sig1=(:AAE=:)",
        "sig1=:AAE=:,",
    ] {
        assert_eq!(parse(signature), Err(SignatureInputError::Signature), "{signature:?}");
    }
    let long = |length: usize| parse(&format!("sig1=:{}:", BASE64.encode(&vec![7; length])));
    assert_eq!(long(SIGNATURE_BYTES_MAX).map(|signature| signature.len()), Ok(SIGNATURE_BYTES_MAX));
    assert_eq!(long(SIGNATURE_BYTES_MAX + 1), Err(SignatureInputError::SignatureLength));
    assert_eq!(long(100_000), Err(SignatureInputError::SignatureLength));
    assert_eq!(parse("sig1=::"), Err(SignatureInputError::SignatureLength));
}

#[test]
fn both_fields_or_neither() {
    let plain = Request::new("GET", "a", "/");
    assert!(plain.see(SignatureInput::parse).expect("no scheme is no error").is_none());
    let refused = |request: Request| request.see(SignatureInput::parse).map(|_| ());
    assert_eq!(refused(plain.clone().with("signature", "sig1=:AA==:")), Err(SignatureInputError::MissingInput));
    let input = "sig1=();created=1;keyid=\"k\"";
    assert_eq!(refused(plain.with("signature-input", input)), Err(SignatureInputError::MissingSignature));
}

#[test]
fn fields_on_several_lines_are_joined_before_they_are_read() {
    let request = Request::new("GET", "a", "/")
        .with("signature-input", "sig1=();created=1;keyid=\"a")
        .with("signature", "sig1=:AA==:")
        .with("signature-input", "b\"");
    assert_eq!(request.input().expect("one label").keyid(), "a, b");
    let request = Request::new("GET", "a", "/").covering("()").with("signature-input", "sig2=();created=1;keyid=\"k\"");
    assert_eq!(request.input().map(|_| ()), Err(SignatureInputError::LabelCount));
    let request = Request::new("GET", "a", "/").covering("()").with("signature", "sig1=:AA==:");
    assert_eq!(request.input().map(|_| ()), Err(SignatureInputError::Signature));
}

#[test]
fn sizes_end_at_their_limits() {
    let parse = |input: String| {
        Request::new("GET", "a", "/").with("signature-input", input).with("signature", "s=:AA==:").input()
    };
    let components = |count: usize| (0..count).map(|index| format!("\"x{index}\"")).collect::<Vec<_>>().join(" ");
    let with_components = |count: usize| parse(format!("s=({});created=1;keyid=\"k\"", components(count)));
    assert_eq!(with_components(COMPONENTS_MAX).expect("at the limit").components().len(), COMPONENTS_MAX);
    assert_eq!(with_components(COMPONENTS_MAX + 1).map(|_| ()), Err(SignatureInputError::TooManyComponents));

    let text = "t".repeat(TEXT_BYTES_MAX);
    let longest =
        parse(format!("s=();created=999999999999999;expires=0;keyid=\"{text}\";nonce=\"{text}\";tag=\"{text}\""));
    let longest = longest.expect("at the limit");
    assert_eq!((longest.keyid(), longest.nonce(), longest.tag()), (&*text, Some(&*text), Some(&*text)));
    assert_eq!((longest.created(), longest.expires()), (999_999_999_999_999, Some(0)));

    let head = "s=();created=1;keyid=\"k\"";
    let padded = |length: usize| parse(format!("s=({});created=1;keyid=\"k\"", " ".repeat(length - head.len())));
    assert!(padded(INPUT_BYTES_MAX).is_ok());
    assert_eq!(padded(INPUT_BYTES_MAX + 1).map(|_| ()), Err(SignatureInputError::InputTooLong));

    let label = "s".repeat(LABEL_BYTES_MAX);
    let request = Request::new("GET", "a", "/")
        .with("signature-input", format!("{label}=();created=1;keyid=\"k\""))
        .with("signature", format!("{label}=:AA==:"));
    assert_eq!(request.input().expect("at the limit").label(), label);
}
