//! The samples that merchants copy (docs/samples/webhooks) judge the vectors of each vendor and of Standard Webhooks, in seven
//! languages: each takes what is right, and nothing that is a byte, a secret or a minute off.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::signature::Ed25519KeyPair;
use data_encoding::BASE64;
use keymint_domain::secret::SecretBytes;
use keymint_domain::webhook::signature::{private_key, public_key};
use sample::Headers;

use super::interpreter;

#[path = "../../../../../docs/samples/webhooks/verify.rs"]
mod sample;

/// What a server gets.
#[derive(Clone, Debug)]
struct Case {
    product: &'static str,
    secret: String,
    signature: String,
    timestamp: String,
    id: String,
    body: String,
    now: i64,
}

const RAZORPAY: &str = r#"{"entity":"event","account_id":"acc_BFQ7uQEaa7j2z7","event":"payment.captured","contains":["payment"],"payload":{},"created_at":1567674599}"#;
const KPAY: &str = r#"{"event":"payment.completed","paymentId":"pay_abc123","status":"COMPLETED"}"#;
const KWIKPAISA: &str = r#"{"event":"payment.success","data":{"order_id":"6116229263036","amount":"105.00","currency":"INR","status":"PAID"}}"#;

fn case(product: &'static str, (secret, signature, body): (&str, &str, &str), (timestamp, id): (i64, &str)) -> Case {
    let timestamp_text = if timestamp == 0 { String::new() } else { timestamp.to_string() };
    let [secret, signature, body, id] = [secret, signature, body, id].map(str::to_owned);
    Case { product, secret, signature, timestamp: timestamp_text, id, body, now: timestamp }
}

/// Vectors: vendors' pages 3.7, 2.7 and 1.9; that of Standard Webhooks' own libraries; and a key pair.
fn vectors() -> Vec<Case> {
    let standard = case(
        "keymint",
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            r#"{"test": 2432232314}"#,
        ),
        (1_614_265_330, "msg_p5jXN8AQM9LWM0D4loKWxJek"),
    );
    let seed = SecretBytes::new((1..33).collect());
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).expect("a pair");
    let signed = format!("{}.{}.{}", standard.id, standard.timestamp, standard.body);
    let by_pair = Case {
        secret: public_key(&private_key(&seed)).expect("a public key"),
        signature: format!("v1a,{}", BASE64.encode(pair.sign(signed.as_bytes()).as_ref())),
        ..standard.clone()
    };
    // As it arrives while a secret is rolled: the other signature stands before or behind it.
    let rolled =
        Case { signature: format!("v1,{} {}", BASE64.encode(&[7; 32]), standard.signature), ..standard.clone() };
    let rolled_pair =
        Case { signature: format!("{} v1a,{}", by_pair.signature, BASE64.encode(&[7; 64])), ..by_pair.clone() };
    vec![
        case(
            "razorpay",
            ("rzp_wh_demo", "e3032c88022d29b84986d880e0ff0e814c76b141207a7a6da9aaa2f4215e5b2a", RAZORPAY),
            (0, ""),
        ),
        case("kpay", ("whsec_demo", "7be8618f0de91009551e5b0959d496bc5c4c2fe867cae56e2c44209e4ae0bcaf", KPAY), (0, "")),
        case(
            "kwikpaisa",
            ("sk_test_0123456789abcdef", "ded857f895803e893ee98f7c693c257a3fdcca9ce0c6d9c2d72092a59e13bc31", KWIKPAISA),
            (1_778_659_835, ""),
        ),
        standard,
        rolled,
        by_pair,
        rolled_pair,
    ]
}

/// The same with the lowest bit of the character at a place changed.
fn bit_off(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] ^= 1;
    String::from_utf8(bytes).expect("it is ASCII")
}

/// What is one step off, and must be refused.
fn neighbours(case: &Case) -> Vec<(&'static str, Case)> {
    let with = |change: &dyn Fn(&mut Case)| {
        let mut changed = case.clone();
        change(&mut changed);
        changed
    };
    let mut all = Vec::new();
    for at in [0, case.body.len() / 2, case.body.len() - 1] {
        all.push(("a byte of the body", with(&|one| one.body = bit_off(&one.body, at))));
    }
    all.push(("a space behind the body", with(&|one| one.body.push(' '))));
    all.push(("no body", with(&|one| one.body.clear())));
    let middle = case.secret.len() / 2;
    all.push(("another secret", with(&|one| one.secret = bit_off(&one.secret, middle))));
    all.push(("no secret", with(&|one| one.secret.clear())));
    all.push(("no signature", with(&|one| one.signature.clear())));
    let is_rolled = case.signature.contains(' ');
    if !is_rolled {
        all.push((
            "a byte of the signature",
            with(&|one| one.signature = bit_off(&one.signature, one.signature.len() / 2)),
        ));
    }
    if case.now > 0 {
        all.push(("a second too old", with(&|one| one.now += 301)));
        all.push(("a second too early", with(&|one| one.now -= 301)));
        all.push(("another time", with(&|one| one.timestamp = bit_off(&one.timestamp, one.timestamp.len() - 1))));
        all.push(("no time", with(&|one| one.timestamp.clear())));
    }
    if !case.id.is_empty() {
        all.push(("another id", with(&|one| one.id = bit_off(&one.id, one.id.len() - 1))));
        all.push(("another kind of signature", with(&|one| one.signature = one.signature.replace("v1", "v2"))));
        all.push(("an empty key", with(&|one| one.secret.truncate(one.secret.find('_').map_or(0, |at| at + 1)))));
    }
    all
}

/// Lets a sample judge everything.
fn judge(verify: impl Fn(&Case) -> bool) {
    let (mut taken, mut refused) = (0, 0);
    for case in vectors() {
        assert!(verify(&case), "refused: {case:?}");
        taken += 1;
        if case.now > 0 {
            for at_the_edge in [300, -300] {
                assert!(
                    verify(&Case { now: case.now + at_the_edge, ..case.clone() }),
                    "refused: {at_the_edge} s, {case:?}"
                );
            }
        }
        for (what, neighbour) in neighbours(&case) {
            assert!(!verify(&neighbour), "{what} is taken: {neighbour:?}");
            refused += 1;
        }
    }
    assert!(taken == 7 && refused > 80, "{taken} {refused}");
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples/webhooks").join(name)
}

/// Runs a program that says by its exit whether it takes a case: 0 or 1, and anything else is a fault of it.
fn verdict(program: &Path, arguments: &[&Path], case: &Case) -> bool {
    let started = Command::new(program)
        .args(arguments)
        .arg(case.product)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SECRET", &case.secret)
        .env("SIGNATURE", &case.signature)
        .env("TIMESTAMP", &case.timestamp)
        .env("ID", &case.id)
        // Of a vector without a time, none is looked at; 0 would be no time to some.
        .env("NOW", case.now.max(1).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut process = match started {
        Ok(process) => process,
        Err(error) => panic!("{} does not start ({error}); `cargo xtask test` installs it", program.display()),
    };
    // One that has made up its mind may not read it.
    let _ = process.stdin.take().expect("it is piped").write_all(case.body.as_bytes());
    let done = process.wait_with_output().expect("it ends");
    match done.status.code() {
        Some(0) => true,
        Some(1) if done.stderr.is_empty() => false,
        other => panic!("{other:?}: {}\n{case:?}", String::from_utf8_lossy(&done.stderr)),
    }
}

fn script(name: &str) {
    let (program, source) = (interpreter(name), source(name));
    judge(|case| verdict(&program, &[&source], case));
}

/// Runs a compiler. Its caches are in the folder.
fn compile(program: &str, arguments: &[&Path], folder: &Path) {
    let done = Command::new(program)
        .args(arguments)
        .env("GOCACHE", folder.join("cache"))
        .env("GOPATH", folder.join("go"))
        .env("GOFLAGS", "-mod=mod")
        .output();
    let done = match done {
        Ok(done) => done,
        Err(error) => panic!("{program} does not start ({error}); `cargo xtask test` installs it"),
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_node_sample_takes_what_is_right_and_nothing_one_step_off() {
    script("verify.mjs");
}

#[test]
fn the_python_sample_takes_what_is_right_and_nothing_one_step_off() {
    script("verify.py");
}

#[test]
fn the_php_sample_takes_what_is_right_and_nothing_one_step_off() {
    script("verify.php");
}

#[test]
fn the_ruby_sample_takes_what_is_right_and_nothing_one_step_off() {
    let source = source("verify.rb");
    judge(|case| verdict(Path::new("ruby"), &[&source], case));
}

#[test]
fn the_go_sample_takes_what_is_right_and_nothing_one_step_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("verify");
    compile("go", &[Path::new("build"), Path::new("-o"), &program, &source("verify.go")], folder.path());
    judge(|case| verdict(&program, &[], case));
}

#[test]
fn the_java_sample_takes_what_is_right_and_nothing_one_step_off() {
    let folder = tempfile::tempdir().expect("a folder");
    compile("javac", &[Path::new("-Xlint:all"), Path::new("-d"), folder.path(), &source("Verify.java")], folder.path());
    // One thread of the compiler is enough for what ends at once.
    let options = [Path::new("-XX:TieredStopAtLevel=1"), Path::new("-cp"), folder.path(), Path::new("Verify")];
    judge(|case| verdict(Path::new("java"), &options, case));
}

#[test]
fn the_rust_sample_takes_what_is_right_and_nothing_one_step_off() {
    judge(|case| {
        let Case { product, secret, signature, timestamp, id, body, now } = case;
        let body = body.as_bytes();
        match *product {
            "razorpay" => sample::razorpay(secret, signature, body),
            "kpay" => sample::kpay(secret, signature, body),
            "kwikpaisa" => sample::kwikpaisa(secret, signature, timestamp, body, *now),
            _ => sample::keymint(secret, &Headers { signature, timestamp, id }, body, *now),
        }
    });
}
