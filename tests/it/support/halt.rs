//! Halting one thread of another program, as a debugger does.

use std::{fs, process::Stdio};

use tokio::{
    io::{AsyncReadExt, BufReader},
    process::{Child, Command},
};

use super::{Binary, in_time};

/// A halted thread, which goes on when this is dropped.
pub(crate) struct Halt(#[expect(dead_code, reason = "killed when dropped")] Child);

impl Halt {
    /// Halts the thread of this name. None if the system does not let this user.
    pub(crate) async fn thread(program: &Binary, name: &str) -> Option<Self> {
        let threads = fs::read_dir(program.proc("task")).unwrap();
        let mut threads = threads.map(|thread| thread.unwrap().path());
        let is_it = |comm: String| comm.trim_end() == name;
        let thread = threads.find(|thread| is_it(fs::read_to_string(thread.join("comm")).unwrap()));
        let number = thread.unwrap().file_name().unwrap().to_owned();
        let mut child = Command::new("python3")
            .args(["-c", HALT])
            .arg(number)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = String::new();
        let stdout = child.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).take(7);
        in_time(lines.read_to_string(&mut said)).await.unwrap();
        (said == "halted\n").then_some(Self(child))
    }
}

/// `PTRACE_SEIZE`, `PTRACE_INTERRUPT`; the thread goes on when its tracer ends.
const HALT: &str = "
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
thread = int(sys.argv[1])
if libc.ptrace(0x4206, thread, None, None) == 0 and libc.ptrace(0x4207, thread, None, None) == 0:
    os.waitpid(thread, 0x40000000)
    print('halted', flush=True)
    sys.stdin.read()
";
