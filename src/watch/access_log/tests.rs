//! The access log as a whole: where its lines go, and what happens when they cannot go there.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::{
        fs::{OpenOptionsExt, PermissionsExt},
        net::UnixDatagram,
    },
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use rustix::{
    fs::{CWD, Mode, OFlags, mkfifoat},
    io::ioctl_fionread,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    super::{Client, Record, Usage, Waits},
    AccessLog, check,
    file::LogFile,
    format::Format,
    journal::Journal,
    sink::Sink,
};
use crate::config::{self, LogFormat, LogSink};

mod lines;

#[test]
fn the_journal_gets_fields_and_a_message_for_each() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("socket");
    assert!(Journal::at(&path).is_err());
    let journal = UnixDatagram::bind(&path).unwrap();
    let sink = Sink::Journal(Journal::at(&path).unwrap());
    let log = start(sink, Format::Journal(LogFormat::Text), usize::MAX);
    let nasty = Record {
        client: Client::Named("a\nPRIORITY=0".into()),
        ..record()
    };
    log.offer(&[record(), nasty]);
    let mut bytes = [0; 65536];
    let mut receive = || {
        let length = journal.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let (first, second) = (receive(), receive());
    for field in [
        "PRIORITY=6",
        "SYSLOG_IDENTIFIER=orgproxy",
        "MESSAGE=main ua:curl/8.5.0 GET /services/data/v62.0/query 200 org 142ms \
         first_byte=138ms out=3480 api=1234/15000 rest v62",
        "ORGPROXY_ORG=main",
        "ORGPROXY_STATUS=200",
        "ORGPROXY_TOTAL_MS=142.318",
    ] {
        assert!(first.lines().any(|line| line == field), "{field}: {first}");
    }
    let names = second.lines().map(|line| line.split_once('=').unwrap().0);
    assert_eq!(
        names.filter(|name| *name == "PRIORITY").count(),
        1,
        "{second}"
    );
    log.close();
}

#[test]
fn a_file_is_rotated_and_no_line_is_lost_or_cut() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("access.log");
    let one = line(Format::Text, &record()).len();
    let log = open(&path, one * 3 + 1, 2);
    for _ in 0..4 {
        log.offer(&vec![record(); 2]);
    }
    log.close();
    let lines = |name: &str| {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text.lines().all(|line| line.len() == one - 1), "{text}");
        text.lines().count()
    };
    assert_eq!(
        ["access.log", "access.log.1", "access.log.2"].map(lines),
        [2, 3, 3]
    );
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // What an administrator grants stays granted, and what is older goes.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let log = open(&path, one * 3 + 1, 2);
    log.offer(&vec![record(); 5]);
    log.close();
    assert_eq!(
        ["access.log", "access.log.1", "access.log.2"].map(lines),
        [1, 3, 3]
    );
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_file_that_cannot_be_rotated_is_gone_on_with() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("access.log");
    fs::create_dir(folder.path().join("access.log.1")).unwrap();
    let one = line(Format::Text, &record()).len();
    let log = open(&path, one * 2, 1);
    for _ in 0..4 {
        log.offer(&vec![record(); 2]);
    }
    log.close();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 8);
}

#[test]
fn a_line_that_is_larger_than_a_file_has_one_for_itself() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("access.log");
    let log = open(&path, 7, 0);
    log.offer(&vec![record(); 3]);
    log.close();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        line(Format::Text, &record())
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_moved_away_is_begun_anew_and_a_folder_that_comes_back_is_used() {
    let folder = TempDir::new().unwrap();
    let logs = folder.path().join("logs");
    let path = logs.join("access.log");
    fs::create_dir(&logs).unwrap();
    let mut file = LogFile::open(&path, 1 << 20, 5).unwrap();
    let mut write = |lines: usize| {
        let mut batch = super::Batch::default();
        for _ in 0..lines {
            batch.add(|out| Format::Text.write(&record(), out));
        }
        file.write(&batch)
    };
    let count = |path: &Path| fs::read_to_string(path).unwrap().lines().count();

    assert!(matches!(write(2), (2, Ok(()))));
    fs::rename(&path, logs.join("moved")).unwrap();
    assert!(matches!(write(1), (1, Ok(()))));
    assert_eq!((count(&logs.join("moved")), count(&path)), (2, 1));

    fs::remove_dir_all(&logs).unwrap();
    assert!(matches!(write(1), (0, Err(_))));
    fs::create_dir(&logs).unwrap();
    assert!(matches!(write(3), (3, Ok(()))));
    assert_eq!(count(&path), 3);
}

#[test]
fn a_full_disk_loses_lines_and_counts_them() {
    let log = open(Path::new("/dev/full"), 1 << 20, 5);
    log.offer(&vec![record(); 3]);
    log.offer(&vec![record(); 2]);
    log.miss(1);
    let dropped = log.dropped();
    log.close();
    assert_eq!(dropped.load(super::Relaxed), 6);
}

#[test]
fn a_pipe_that_nobody_reads_holds_nobody_up_and_says_later_what_it_has_missed() {
    let folder = TempDir::new().unwrap();
    let (path, reader) = pipe_in(&folder);
    let sink = Sink::File(LogFile::open(&path, 1 << 20, 5).unwrap());
    let log = start(sink, Format::Json, 100_000);
    let mut offered = 0;
    // A pipe and the room for what waits take less than 3,000 lines.
    while dropped(&log) == 0 {
        log.offer(&vec![record(); 100]);
        offered += 100;
        assert!(offered < 100_000);
    }
    let (mut lines, mut lost) = (0, 0);
    let mut reader = BufReader::new(waiting_for_more(reader));
    while lost == 0 {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        match line["lost"].as_u64() {
            Some(count) => lost += count,
            None => lines += 1,
        }
    }
    assert_eq!(lost, dropped(&log));
    assert_eq!(lines + lost, offered);

    // There is room again.
    log.offer(&[record()]);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, self::line(Format::Json, &record()));
    log.close();
}

#[test]
fn a_line_that_is_cut_short_is_ended_before_the_next() {
    let folder = TempDir::new().unwrap();
    let (path, reader) = pipe_in(&folder);
    let sink = Sink::File(LogFile::open(&path, 1 << 20, 5).unwrap());
    let log = start(sink, Format::Json, usize::MAX);
    // More than the pipe holds: a line is cut, and its rest is given up when the reader goes.
    log.offer(&vec![record(); 1000]);
    while ioctl_fionread(&reader).unwrap() < 60_000 {
        std::thread::yield_now();
    }
    drop(reader);
    while dropped(&log) == 0 {
        std::thread::yield_now();
    }
    let reader = waiting_for_more(open_reader(&path));
    log.offer(&[record()]);

    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    let (mut whole, mut cut) = (0, 0);
    let lost = loop {
        let line = lines.next().unwrap();
        match serde_json::from_str::<Value>(&line) {
            Ok(line) if line["lost"].is_u64() => break line["lost"].as_u64().unwrap(),
            Ok(_) => whole += 1,
            Err(_) => cut += 1,
        }
    };
    assert_eq!(whole + lost, 1000);
    assert_eq!(cut, 1);
    let next = line(Format::Json, &record());
    assert_eq!(lines.next().unwrap(), next.trim_end());
    log.close();
}

#[test]
fn closing_takes_a_second_at_most() {
    let folder = TempDir::new().unwrap();
    let (path, _reader) = pipe_in(&folder);
    let sink = Sink::File(LogFile::open(&path, 1 << 20, 5).unwrap());
    let log = start(sink, Format::Text, usize::MAX);
    log.offer(&vec![record(); 10_000]);
    let began = std::time::Instant::now();
    log.close();
    assert!(began.elapsed() >= super::LONGEST_CLOSE);
}

#[test]
fn a_place_that_cannot_be_written_is_named_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("none/access.log");
    for (path, advice) in [
        (missing.as_path(), "create the folder"),
        (folder.path(), "must name a file"),
    ] {
        let config = config(LogSink::File(path.to_owned()));
        for error in [
            check(&config).unwrap_err(),
            AccessLog::open(&config).err().unwrap(),
        ] {
            let error = error.to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
            assert!(error.contains(advice), "{error}");
        }
    }
    // Nothing is created by looking, and there is nothing to write if it is off.
    check(&config(LogSink::File(folder.path().join("access.log")))).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(AccessLog::open(&config(LogSink::Off)).unwrap().is_none());
    assert!(
        AccessLog::open(&config::AccessLog::default())
            .unwrap()
            .is_none()
    );
}

fn record() -> Record {
    Record {
        began: UNIX_EPOCH + Duration::from_millis(1_795_680_902_123),
        client: Client::Says("curl/8.5.0".into()),
        path: "/services/data/v62.0/query".into(),
        waits: Waits {
            first_byte: Duration::from_micros(138_005),
            total: Duration::from_micros(142_318),
            ..Waits::default()
        },
        sent: 3480,
        usage: Some(Usage {
            used: 1234,
            allowed: 15000,
        }),
        ..Record::example()
    }
}

fn line(format: Format, record: &Record) -> String {
    let mut out = Vec::new();
    format.write(record, &mut out);
    String::from_utf8(out).unwrap()
}

fn config(sink: LogSink) -> config::AccessLog {
    config::AccessLog {
        sink: Some(sink),
        ..config::AccessLog::default()
    }
}

fn open(path: &Path, bytes: usize, keep: u8) -> AccessLog {
    let config = config::AccessLog {
        bytes,
        keep,
        ..config(LogSink::File(path.to_owned()))
    };
    AccessLog::open(&config).unwrap().unwrap()
}

fn start(sink: Sink, format: Format, room: usize) -> AccessLog {
    AccessLog::start(sink, "a test".to_owned(), format, room).unwrap()
}

fn dropped(log: &AccessLog) -> u64 {
    log.dropped().load(super::Relaxed)
}

/// A pipe with a name, and who could read it.
fn pipe_in(folder: &TempDir) -> (std::path::PathBuf, File) {
    let path = folder.path().join("pipe");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let reader = open_reader(&path);
    (path, reader)
}

fn open_reader(path: &Path) -> File {
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = File::options();
    options
        .read(true)
        .custom_flags(nonblock)
        .open(path)
        .unwrap()
}

/// The same pipe, for reading that waits.
fn waiting_for_more(reader: File) -> File {
    rustix::fs::fcntl_setfl(&reader, OFlags::empty()).unwrap();
    reader
}
