//! Who can have written `ampctl.toml`, and the files that it names: they start programs.

mod support;

use nix::unistd::geteuid;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::process::{Command, Stdio};
use support::{Folder, leave_out, text};

const ROOT: u32 = 0;
const NOBODY: u32 = 65534;

/// A folder with a profile of the peer `prod`, and another such profile that is the user's own.
fn project(profile: &str) -> Folder {
    let folder = Folder::new();
    for name in ["project", "project/below", "home", "home/ampctl"] {
        fs::create_dir(folder.path(name)).unwrap();
        mode(&folder, name, 0o755);
    }
    folder.file("home/ampctl/ampctl.toml", "[peers.prod]\naddress = \"unix:own\"\n");
    folder.file("project/ampctl.toml", &format!("[peers.prod]\n{profile}\n"));
    mode(&folder, "project/ampctl.toml", 0o644);
    folder
}

fn mode(folder: &Folder, name: &str, mode: u32) {
    fs::set_permissions(folder.path(name), Permissions::from_mode(mode)).unwrap();
}

/// Calls the peer from below the folder: the exit code, and what is said.
fn call(folder: &Folder, options: &[&str]) -> (Option<i32>, String) {
    call_by(&mut Command::new(env!("CARGO_BIN_EXE_ampctl")), folder, options)
}

fn call_by(program: &mut Command, folder: &Folder, options: &[&str]) -> (Option<i32>, String) {
    let output = program
        .args(["call", "prod", "A"])
        .args(options)
        .current_dir(folder.path("project/below"))
        .env("HOME", "/nowhere")
        .env("XDG_CONFIG_HOME", folder.path("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(text(output.stdout), "");
    (output.status.code(), text(output.stderr))
}

#[track_caller]
fn refuses(folder: &Folder, file: &str, why: &str) {
    let path = folder.path(file);
    let (code, said) = call(folder, &[]);
    assert_eq!(code, Some(2), "{said}");
    let expected = format!("ampctl: {path}: {why}, and who writes it can start programs as you: ");
    assert!(said.starts_with(&expected), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// The socket of this name, which nobody listens on, is what it means by the peer.
#[track_caller]
fn takes(folder: &Folder, options: &[&str], socket: &str) {
    let (code, said) = call(folder, options);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&format!("unix:{}", folder.path(socket))), "{said}");
}

#[test]
fn what_others_can_write_is_refused() {
    let folder = project("address = \"unix:peer\"");
    takes(&folder, &[], "project/peer");
    for open in [0o646, 0o666, 0o602] {
        mode(&folder, "project/ampctl.toml", open);
        let why = format!("others can write it (mode {open:04o})");
        refuses(&folder, "project/ampctl.toml", &why);
    }
    mode(&folder, "project/ampctl.toml", 0o600);
    mode(&folder, "project", 0o777);
    refuses(&folder, "project", "others can write it (mode 0777)");
    // Nobody can take away the file of another one there, as in `/tmp`.
    mode(&folder, "project", 0o1777);
    takes(&folder, &[], "project/peer");
    fs::remove_file(folder.path("project/ampctl.toml")).unwrap();
    takes(&folder, &[], "home/ampctl/own");
}

#[test]
fn rules_that_others_can_write_are_refused() {
    for key in ["respond", "before"] {
        let folder = project(&format!("address = \"unix:peer\"\n{key} = \"named\""));
        let (code, said) = call(&folder, &[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("cannot read {}", folder.path("project/named"))), "{said}");
        let named = folder.file("project/named", "");
        mode(&folder, "project/named", 0o644);
        takes(&folder, &[], "project/peer");
        mode(&folder, "project/named", 0o666);
        refuses(&folder, "project/named", "others can write it (mode 0666)");
        // Whoever gives a file means it.
        takes(&folder, &[&format!("--{key}"), &named], "project/peer");
    }
}

/// Where modes say nothing, the user can.
#[test]
fn what_the_environment_names_is_taken_whoever_can_write_it() {
    let folder = project("address = \"unix:here\"\nrespond = \"named\"");
    folder.file("project/named", "");
    for name in ["project", "project/ampctl.toml", "project/named"] {
        mode(&folder, name, 0o777);
    }
    refuses(&folder, "project/ampctl.toml", "others can write it (mode 0777)");
    let given = |path: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_ampctl"));
        program.env("AMPCTL_CONFIG", folder.path(path));
        call_by(&mut program, &folder, &[])
    };
    let (code, said) = given("project/ampctl.toml");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("project/here"), "{said}");
    // It is not looked for elsewhere.
    let (code, said) = given("project/none");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("ampctl: AMPCTL_CONFIG: cannot read "), "{said}");
}

#[test]
fn what_others_own_is_refused() {
    if !geteuid().is_root() {
        leave_out("only root can make files another user's");
        return;
    }
    let folder = project("address = \"exec:touch ran\"");
    let (file, project) = (folder.path("project/ampctl.toml"), folder.path("project"));
    if let Err(error) = chown(&file, Some(NOBODY), None) {
        leave_out(&format!("root cannot make files another user's here: {error}"));
        return;
    }
    let theirs = "it belongs to nobody (65534)";
    refuses(&folder, "project/ampctl.toml", theirs);
    // Nor is a pipe of theirs waited for, wherever it is.
    fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    lchown(&file, Some(NOBODY), None).unwrap();
    refuses(&folder, "project/ampctl.toml", theirs);
    fs::rename(&file, folder.path("project/pipe")).unwrap();
    symlink("pipe", &file).unwrap();
    refuses(&folder, "project/ampctl.toml", theirs);
    // Nor a link of theirs to what is not theirs, beside which others of their files are.
    fs::remove_file(&file).unwrap();
    symlink(folder.path("home/ampctl/ampctl.toml"), &file).unwrap();
    takes(&folder, &[], "project/own");
    lchown(&file, Some(NOBODY), None).unwrap();
    refuses(&folder, "project/ampctl.toml", theirs);
    lchown(&file, Some(ROOT), None).unwrap();
    chown(&project, Some(NOBODY), None).unwrap();
    refuses(&folder, "project", theirs);
    chown(&project, Some(ROOT), None).unwrap();
    // That of a home that is another user's, as `sudo` may leave it.
    fs::remove_file(&file).unwrap();
    chown(folder.path("home/ampctl/ampctl.toml"), Some(NOBODY), None).unwrap();
    refuses(&folder, "home/ampctl/ampctl.toml", theirs);
    assert!(!fs::exists(folder.path("project/below/ran")).unwrap());
}

/// With `umask 002`, whose files a group can write that is the user's alone.
#[test]
fn a_group_may_write_what_it_has_no_others_for() {
    let folder = project("address = \"unix:peer\"");
    let file = folder.path("project/ampctl.toml");
    mode(&folder, "project/ampctl.toml", 0o664);
    mode(&folder, "project", 0o775);
    if !geteuid().is_root() || chown(&file, None, Some(ROOT)).is_err() {
        leave_out("only root has a group of a known name");
        return;
    }
    chown(folder.path("project"), None, Some(ROOT)).unwrap();
    takes(&folder, &[], "project/peer");
    chown(&file, None, Some(NOBODY)).unwrap();
    refuses(&folder, "project/ampctl.toml", "others can write it (mode 0664)");
    mode(&folder, "project/ampctl.toml", 0o644);
    takes(&folder, &[], "project/peer");
    chown(folder.path("project"), None, Some(NOBODY)).unwrap();
    refuses(&folder, "project", "others can write it (mode 0775)");
}

/// As all files are that a profile names.
#[test]
fn programs_are_found_beside_the_profile() {
    let folder = project("address = \"exec:./peer 'a b'\"");
    folder.file("project/peer", "#!/bin/sh\necho \"$1\" > \"$0.was\"\n");
    mode(&folder, "project/peer", 0o755);
    assert_ne!(call(&folder, &[]).0, Some(0));
    assert_eq!(folder.read("project/peer.was"), "a b\n");
}
