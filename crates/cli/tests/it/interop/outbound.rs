//! Hostile webhook URLs on a machine that has the addresses they lead to: metadata services, link-local and private ones, the ports
//! of the web. The test runs itself in a network of its own (`unshare`), where all of these are this machine's.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;

use keymint_testkit::eventually;

use crate::outbound::{Canary, none_is_reached};

/// Says to the test that it is inside.
const INSIDE: &str = "KEYMINT_TEST_INSIDE";
/// Addresses of that network: metadata services of clouds, link-local, private, shared.
const ADDRESSES: [&str; 10] = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.1.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "10.0.0.1",
    "192.168.0.1",
    "fd00:ec2::254",
    "fe80::1",
];

/// Runs a test of this program where the addresses are this machine's.
fn inside(test: &str) {
    let script =
        "ip link set lo up && for one in $ADDRESSES; do ip addr add $one dev lo || exit 9; done && exec \"$0\" \"$@\"";
    let own = std::env::current_exe().expect("this program");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--", "sh", "-c", script]).arg(own).args([
        "--exact",
        test,
        "--nocapture",
    ]);
    let ran = command.env("ADDRESSES", ADDRESSES.join(" ")).env(INSIDE, "1").output().expect("unshare starts");
    let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(ran.status.success() && said.contains("1 passed"), "{}: {said}", ran.status);
}

#[test]
fn of_three_hundred_hostile_urls_none_reaches_a_metadata_or_link_local_address() {
    if std::env::var_os(INSIDE).is_none() {
        let test = "interop::outbound::of_three_hundred_hostile_urls_none_reaches_a_metadata_or_link_local_address";
        return inside(test);
    }
    let canaries = ["[::]:0", "[::]:80", "[::]:443"].map(Canary::at);
    for address in ADDRESSES.iter().filter(|address| !address.starts_with("fe80")) {
        let address: IpAddr = address.parse().expect("an address");
        for canary in &canaries {
            TcpStream::connect(SocketAddr::from((address, canary.port()))).expect("it is this machine's");
            eventually(|| if canary.hears() { Ok(()) } else { Err(format!("{address} is not heard")) });
        }
    }
    none_is_reached(&canaries, &["169.254.169.254", "fd00:ec2::254"]);
}
