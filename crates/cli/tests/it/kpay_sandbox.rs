//! KPay's sandbox: each test number does what the vendor documents, over the real API, and the app's endpoint hears of it.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use keymint_testkit::{Dev, Key, Receiver, Reply, Request};
use serde_json::{Value, json};

use crate::dev;

/// The table of the vendor's page: provider, base, and the endings of payments and of payouts.
const TABLE: [(&str, &str, &str, &str); 12] = [
    ("MTN_MOMO_BEN", "22951345", "029 039 069 129 789", "089 119 129 789"),
    ("MTN_MOMO_CMR", "237653456", "019 029 039 069 129 789", "089 119 129 789"),
    ("MTN_MOMO_CIV", "2250503456", "029 039 069 129 789", "089 119 129 789"),
    ("AIRTEL_COD", "243813456", "019 029 039 049 069 129 789", "089 119 129 789"),
    ("AIRTEL_GAB", "24174345", "048 068 128 678", "088 118 128 678"),
    ("MPESA_KEN", "254703456", "019 039 049 059 069 129 789", "089 099 109 119 129 789"),
    ("AIRTEL_COG", "242053456", "039 049 069 129 789", "089 119 129 789"),
    ("AIRTEL_RWA", "250733456", "039 049 069 129 789", "089 119 129 789"),
    ("ORANGE_SEN", "221763456", "049 069 129 789", "119 129 789"),
    ("ORANGE_SLE", "23276123", "456", "456"),
    ("MTN_MOMO_UGA", "256753456", "019 039 049 069 129 789", "089 099 119 129 789"),
    ("MTN_MOMO_ZMB", "260973456", "019 039 049 069 129 789", "089 119 129 789"),
];

/// What an ending means, in the vendor's words.
fn meaning(ending: &str) -> (&'static str, Option<&'static str>) {
    match ending {
        "019" => ("FAILED", Some("PAYER_LIMIT_REACHED")),
        "029" => ("FAILED", Some("PAYER_NOT_FOUND")),
        "039" => ("FAILED", Some("PAYMENT_NOT_APPROVED")),
        "049" | "048" => ("FAILED", Some("INSUFFICIENT_BALANCE")),
        "059" => ("FAILED", Some("TRANSACTION_ALREADY_IN_PROCESS")),
        "069" | "068" | "119" | "118" => ("FAILED", Some("UNSPECIFIED_FAILURE")),
        "089" | "088" => ("FAILED", Some("RECIPIENT_NOT_FOUND")),
        "099" => ("FAILED", Some("WALLET_LIMIT_REACHED")),
        "109" => ("FAILED", Some("RECIPIENT_LIMIT_REACHED")),
        "129" | "128" => ("PENDING", None),
        "789" | "678" | "456" => ("COMPLETED", None),
        other => panic!("{other}"),
    }
}

pub fn call(dev: &Dev, key: &Key, method: &str, path: &str, body: &Value) -> Reply {
    let request = Request::new(method, &format!("/kpay/api/v1/payments{path}"));
    let request = request.header("X-API-Key", &key.key_id).header("X-Secret-Key", &key.secret);
    let request = if body.is_null() { request } else { request.body(&body.to_string()) };
    request.header("Content-Type", "application/json").send(dev.gateway)
}

#[test]
fn every_test_number_does_what_the_vendor_documents_and_is_told_to_the_endpoint() {
    let (dev, receiver) = (dev(), Receiver::start());
    let (mut made, mut told) = (0, 0);
    // A key makes a hundred calls a minute.
    for (row, (provider, base, payments, payouts)) in TABLE.into_iter().enumerate() {
        let key = dev.key("kpay", &format!("numbers-{row}"));
        let hook = json!({ "mode": "test", "url": receiver.url() });
        let secret = dev.api("POST", &format!("/apps/{}/webhook-endpoints", key.app_id), &hook).text("/secret");
        for (kind, path, endings) in [("payment", "/init", payments), ("payout", "/withdraw", payouts)] {
            for ending in endings.split(' ') {
                let phone = format!("{base}{ending}");
                let reference = format!("{kind}-{phone}");
                let body = json!({
                    "amount": 5000, "provider": provider, "phoneNumber": phone, "externalId": reference,
                    "metadata": { "cart": 7 },
                });
                let begun = call(&dev, &key, "POST", path, &body);
                assert_eq!(
                    (begun.status, begun.text("/status")),
                    (201, "PENDING".to_owned()),
                    "{phone}: {}",
                    begun.body
                );
                let id = begun.text("/id");
                let place = if kind == "payout" { format!("/withdraw/{id}") } else { format!("/{id}") };
                let found = call(&dev, &key, "GET", &place, &Value::Null).json();
                let (status, failure) = meaning(ending);
                assert_eq!((&found["status"], &found["failureReason"]), (&status.into(), &failure.into()), "{phone}");
                assert_eq!(found["completedAt"].is_string(), status == "COMPLETED", "{phone}");
                made += 1;
                if status == "PENDING" {
                    continue;
                }
                told += 1;
                let got = receiver.wait_for(told);
                let one = got.iter().find(|one| one.body.contains(&id)).expect("its event");
                assert_eq!(one.header("x-kpay-event"), Some(&*format!("{kind}.{}", status.to_lowercase())));
                let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), one.body.as_bytes());
                assert_eq!(one.header("x-kpay-signature"), Some(&*HEXLOWER.encode(signed.as_ref())));
                let event: Value = serde_json::from_str(&one.body).expect("JSON");
                for (name, wanted) in [
                    ("paymentId", found["id"].clone()),
                    ("reference", found["reference"].clone()),
                    ("status", status.into()),
                    ("externalId", reference.clone().into()),
                    ("phoneNumber", phone.clone().into()),
                    ("failureReason", failure.into()),
                    ("metadata", json!({ "cart": 7 })),
                ] {
                    assert_eq!(event[name], wanted, "{phone} {name}");
                }
                assert!(event.get("completedAt").is_some() && event.get("failedAt").is_some(), "nulls are there");
            }
        }
    }
    assert_eq!((made, receiver.all().len()), (108, told));
}

#[test]
fn any_other_number_waits_and_nobody_is_told() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("kpay", "other-numbers");
    let hook = json!({ "mode": "test", "url": receiver.url() });
    assert_eq!(dev.api("POST", &format!("/apps/{}/webhook-endpoints", key.app_id), &hook).status, 201);
    // An ending of another country, of payouts alone, of another length; a number that is nobody's.
    for (number, phone) in ["237653456049", "237653456089", "2376534567890", "237653456", "237670000001", "24174345789"]
        .into_iter()
        .enumerate()
    {
        let body = json!({ "amount": 5000, "provider": "MTN_MOMO_CMR", "phoneNumber": phone, "externalId": format!("O-{number}") });
        let begun = call(&dev, &key, "POST", "/init", &body);
        assert_eq!(begun.status, 201, "{phone}: {}", begun.body);
        let found = call(&dev, &key, "GET", &format!("/{}", begun.text("/id")), &Value::Null).json();
        assert_eq!((&found["status"], &found["failureReason"]), (&"PENDING".into(), &Value::Null), "{phone}");
    }
    let last =
        json!({ "amount": 5000, "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456789", "externalId": "LAST" });
    assert_eq!(call(&dev, &key, "POST", "/init", &last).status, 201);
    assert!(receiver.wait_for(1)[0].body.contains("LAST"));
    assert_eq!(receiver.all().len(), 1);
}
