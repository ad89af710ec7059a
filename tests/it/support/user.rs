//! Users of the machine.

use std::process::Stdio;

use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

use super::in_time;

/// The user, and the group, of the least rights, by convention.
pub(crate) const NOBODY: u32 = 65534;

/// Has nobody connect to this port of 127.0.0.1 three hundred times, until it is dropped. Only root can.
pub(crate) async fn connections_of_nobody(port: u16) -> Child {
    let open = "for i in {1..300}; do exec {fd}<>/dev/tcp/127.0.0.1/$0; done; echo; read";
    let mut nobody = Command::new("setpriv")
        .arg(format!("--reuid={NOBODY}"))
        .arg(format!("--regid={NOBODY}"))
        .arg("--clear-groups")
        .args(["bash", "-c", open, &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // It has them all.
    let mut word = [0];
    in_time(nobody.stdout.as_mut().unwrap().read_exact(&mut word))
        .await
        .unwrap();
    nobody
}
