//! What `ampctl import python` lets the user's code do: what commands need, and that within bounds.

#[path = "support/module.rs"]
mod module;

use module::{Module, python_of, text};
use std::io::Read;
use std::net::TcpListener;

#[test]
fn what_is_done_is_not_lost_to_a_thread_that_goes_on() {
    let body = python_of(
        "import threading\n\
         def go_on():\n    threading.Thread(target=threading.Event().wait).start()\n    return []\n\
         class A(amp.Command):\n    arguments = go_on()\n",
    );
    assert_eq!(Module::new(&[("t.py", &body)]).schema("t"), "command A\n");
}

#[test]
fn programs_that_it_has_started_end_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = python_of(&format!(
        "import subprocess, sys\n\
         PROGRAM = '''\nimport socket, time\n\
         peer = socket.create_connection((\"127.0.0.1\", {port}))\n\
         print(\"connected\", flush=True)\ntime.sleep(1000)\n'''\n\
         def go_on():\n    \
             started = subprocess.Popen([sys.executable, '-c', PROGRAM], stdout=subprocess.PIPE)\n    \
             started.stdout.readline()\n    return []\n\
         class A(amp.Command):\n    arguments = go_on()\n"
    ));
    assert_eq!(Module::new(&[("p.py", &body)]).schema("p"), "command A\n");
    let (mut peer, _) = listener.accept().unwrap();
    let mut bytes = Vec::new();
    // Where it goes on, this waits.
    peer.read_to_end(&mut bytes).unwrap();
    assert!(bytes.is_empty());
}

#[test]
fn memory_has_a_bound_that_is_said() {
    let body = python_of(
        "BIG = bytearray(3 << 30)\n\
         class A(amp.Command):\n    arguments = [] if BIG else [(b'x', amp.Integer())]\n",
    );
    let said = Module::new(&[("m.py", &body)]).in_doubt("m");
    let expected = "ampctl: m.py:2: left out: MemoryError: there are 2 GiB of memory for it\n";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn whoever_ends_the_interpreter_is_named() {
    let body = python_of(
        "import os\nclass A(amp.Command):\n    print('bye')\n    arguments = os.abort()\n",
    );
    let output = Module::new(&[("e.py", &body)]).import(&["e"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains(" did not say anything: signal: 6 (SIGABRT)"), "{said}");
    assert!(said.contains(": it was executing what the commands need, e.py:3: "), "{said}");
}
