//! `localhost` is 127.0.0.1 to some clients and ::1 to others: both are listened on, and where one
//! cannot be had, what is printed works.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use test_case::test_case;

use crate::support::{Binary, Files, Org, Proxy, binary::run, client, curl, path::LIMITS};

#[tokio::test]
async fn the_default_is_on_both_addresses() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    assert_eq!(proxy.address.ip(), Ipv4Addr::LOCALHOST);
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        let url = format!("http://{host}:{}{LIMITS}", proxy.address.port());
        let answer = client().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{host}");
    }
}

#[tokio::test]
async fn the_demo_is_on_both_addresses_by_all_its_ports() {
    let demo = Binary::start(&["demo", "--port", "0"]);
    demo.print("Pub/Sub API").await;
    let said = demo.said();
    let ports: Vec<u16> = said
        .lines()
        .filter_map(|line| line.strip_prefix("listening on "))
        .map(|line| {
            let (url, _) = line.split_once(' ').unwrap();
            url.rsplit(':').next().unwrap().parse().unwrap()
        })
        .collect();
    assert_eq!(ports.len(), 3, "{said}");
    for port in ports {
        for ip in both() {
            let connected = tokio::net::TcpStream::connect((ip, port)).await;
            assert!(connected.is_ok(), "{ip} {port}");
        }
    }
}

#[test_case("localhost:PORT"; "as it is")]
#[test_case("http://localhost:PORT"; "as a url")]
#[tokio::test]
async fn localhost_in_the_file_is_both_addresses(listen: &str) {
    let port = free_port();
    let listen = format!(
        "listen = \"{}\"\n",
        listen.replace("PORT", &port.to_string())
    );
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, &listen);
    let proxy = files.start();
    assert_eq!(
        proxy.address().await,
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    );
    for ip in both() {
        assert!(
            tokio::net::TcpStream::connect((ip, port)).await.is_ok(),
            "{ip}"
        );
    }
    proxy
        .print(&format!("try: curl http://localhost:{port}/"))
        .await;
    assert!(!proxy.said().contains("not on"), "{}", proxy.said());
}

#[tokio::test]
async fn one_address_by_hand_is_that_one_only() {
    for (ip, other) in [(both()[0], both()[1]), (both()[1], both()[0])] {
        let port = free_port();
        let address = SocketAddr::new(ip, port);
        let org = Org::start().await.unwrap();
        let files = Files::with(&org, &format!("listen = \"{address}\"\n"));
        let proxy = files.start();
        assert_eq!(proxy.address().await, address);
        assert!(tokio::net::TcpStream::connect((other, port)).await.is_err());
    }
}

#[tokio::test]
async fn where_another_program_has_one_of_them_the_other_is_printed_and_works() {
    for (index, taken) in both().into_iter().enumerate() {
        let port = free_port();
        let _other = TcpListener::bind((taken, port)).unwrap();
        let taken = SocketAddr::new(taken, port);
        let free = SocketAddr::new(both()[1 - index], port);
        let org = Org::start().await.unwrap();
        let files = Files::with(&org, &format!("listen = \"localhost:{port}\"\n"));

        let proxy = files.start();
        assert_eq!(proxy.address().await, free);
        proxy
            .print(&format!("not on {taken}, which another program has"))
            .await;
        let line = proxy.print("try: curl ").await;
        let line = line.trim_start().trim_start_matches("try: ");
        assert!(line.contains(&format!("http://{free}/")), "{line}");
        assert_eq!(curl(&format!("{line} -g")).await.status(), "200");
        // It is well, although that other program is there, too.
        let well = run(&["health", "-c", &files.config()]).await;
        assert_eq!(well.code(), 0, "{well:?}");
        proxy.stop().await;

        let program = [
            "-c",
            &files.config(),
            "--",
            "sh",
            "-c",
            "echo $ORGPROXY_URL",
        ];
        let ended = run(&program).await;
        assert_eq!(ended.stdout.trim(), format!("http://{free}"), "{ended:?}");
        assert!(
            ended.stderr.contains(&format!("not on {taken}")),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn where_other_programs_have_both_it_does_not_start() {
    let port = free_port();
    let _others = both().map(|ip| TcpListener::bind((ip, port)).unwrap());
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, &format!("listen = \"localhost:{port}\"\n"));
    let ended = run(&["-c", &files.config()]).await;
    assert_eq!(ended.code(), 1);
    let message = format!("cannot listen on localhost:{port}");
    assert!(ended.stderr.contains(&message), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("stop what listens"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_program_is_led_to_localhost_where_the_proxy_has_both_addresses() {
    let org = Org::start().await.unwrap();
    let files = Files::with(
        &org,
        "listen = [\"localhost:0\", \"https://localhost:0\"]\n",
    );
    let state = files.path("state").display().to_string();
    let config = files.config();
    let show = "echo $ORGPROXY_URL $ORGPROXY_HTTPS_URL";
    let program = ["-c", &config, "--state-dir", &state, "--", "sh", "-c", show];
    let ended = run(&program).await;
    let (plain, secure) = ended.stdout.split_once(' ').unwrap();
    assert!(plain.starts_with("http://localhost:"), "{ended:?}");
    assert!(secure.starts_with("https://localhost:"), "{ended:?}");
}

#[tokio::test]
async fn parts_of_localhost_elsewhere_in_the_file_share_it() {
    let port = free_port();
    let org = Org::start().await.unwrap();
    let files = Files::several(&[("a", &org), ("b", &org)]);
    let listens = [
        format!("listen = [\"localhost:{port}\", \"[::1]:{port}\"]\nhosts = [\"a.localhost\"]"),
        format!("listen = \"127.0.0.1:{port}\"\nhosts = [\"b.localhost\"]"),
    ];
    let mut text = std::fs::read_to_string(files.config()).unwrap();
    for listen in listens {
        text = text.replacen("listen = \"127.0.0.1:0\"", &listen, 1);
    }
    files.write("proxy.toml", &text);
    let proxy = files.start();
    proxy.print("for org b").await;
    for ip in both() {
        for host in ["a.localhost", "b.localhost"] {
            let url = format!("http://{}{LIMITS}", SocketAddr::new(ip, port));
            let request = client().get(url).header("host", host);
            assert_eq!(request.send().await.unwrap().status(), 200, "{ip} {host}");
        }
    }
}

fn both() -> [std::net::IpAddr; 2] {
    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

/// A port that nobody has on either address.
fn free_port() -> u16 {
    let free = |_| {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        TcpListener::bind((Ipv6Addr::LOCALHOST, port))
            .is_ok()
            .then_some(port)
    };
    (0..100).find_map(free).expect("a free port")
}
