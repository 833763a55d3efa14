import CLinux
import Glibc
import RainbowCore

/// The terminal as a screen: drawn on as a whole, given back as it was.
///
/// Signals come in as news instead of interrupting: a descriptor tells of them, so that whatever
/// ends the program passes through `leave`.
final class Terminal {
    enum News: Equatable {
        case key(UInt8)
        case signal(Int32)
        case timeIsUp
    }

    private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP]
    /// Another screen, no cursor, no wrapping of long lines; and all of it back.
    private static let entering = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J"
    private static let leaving = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l"

    private let usesColour: Bool
    private var signalDescriptor: Int32 = -1
    private var signalsBefore = sigset_t()
    private var modesBefore: termios?

    /// Whether standard output is a terminal that can be drawn on.
    static var isUsable: Bool {
        let name = unsafe getenv("TERM").map { unsafe String(cString: $0) } ?? ""
        return isatty(STDOUT_FILENO) == 1 && !["", "dumb"].contains(name)
    }

    init() {
        let noColour = unsafe getenv("NO_COLOR").map { unsafe String(cString: $0) } ?? ""
        usesColour = noColour.isEmpty
    }

    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0,
            size.ws_row > 0
        else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    func enter() {
        var wanted = sigset_t()
        unsafe sigemptyset(&wanted)
        for signal in Terminal.signals { unsafe sigaddset(&wanted, signal) }
        unsafe pthread_sigmask(SIG_BLOCK, &wanted, &signalsBefore)
        if signalDescriptor < 0 {
            signalDescriptor = unsafe signalfd(-1, &wanted, Int32(SFD_CLOEXEC))
        }
        var modes = termios()
        if unsafe tcgetattr(STDIN_FILENO, &modes) == 0 {
            modesBefore = modes
            modes.c_lflag &= ~tcflag_t(ICANON | ECHO)
            unsafe tcsetattr(STDIN_FILENO, TCSANOW, &modes)
        }
        write(Terminal.entering)
    }

    /// Gives the terminal back. May be called again.
    func leave() {
        guard signalDescriptor >= 0 else { return }
        write(Terminal.leaving)
        // What was typed and not read goes, too: the shell must not take it for a command.
        if var modes = modesBefore { unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &modes) }
        modesBefore = nil
        close(signalDescriptor)
        signalDescriptor = -1
        unsafe pthread_sigmask(SIG_SETMASK, &signalsBefore, nil)
    }

    /// Stops the program as Ctrl-Z does, and goes on when it is continued.
    func suspend() {
        leave()
        raise(SIGSTOP)
        enter()
    }

    /// Draws all lines in one write, each over what was there: nothing is blank in between.
    func draw(_ lines: [TopView.Line]) {
        var frame = "\u{1b}[H"
        for (index, line) in lines.enumerated() {
            let style = styled(line.style)
            frame += "\(index == 0 ? "" : "\r\n")\(style)\(line.text)"
            frame += (style.isEmpty ? "" : "\u{1b}[0m") + "\u{1b}[K"
        }
        write(frame + "\u{1b}[J")
    }

    private func styled(_ style: TopView.Line.Style) -> String {
        guard usesColour else { return "" }
        return switch style {
        case .title: "\u{1b}[1m"
        case .head: "\u{1b}[36m"
        case .plain: ""
        }
    }

    /// The next key or signal, within a time.
    func next(milliseconds: Int) -> News {
        var descriptors = [
            pollfd(fd: signalDescriptor, events: Int16(POLLIN), revents: 0),
            // Without a terminal to read from, only signals end the program.
            pollfd(fd: modesBefore == nil ? -1 : STDIN_FILENO, events: Int16(POLLIN), revents: 0),
        ]
        guard unsafe poll(&descriptors, 2, Int32(clamping: max(milliseconds, 0))) > 0 else {
            return .timeIsUp
        }
        if descriptors[0].revents != 0 {
            var information = signalfd_siginfo()
            let size = MemoryLayout<signalfd_siginfo>.size
            let count = unsafe read(signalDescriptor, &information, size)
            return count == size ? .signal(Int32(information.ssi_signo)) : .timeIsUp
        }
        var byte: UInt8 = 0
        // The terminal is gone: as if it had hung up.
        guard unsafe read(STDIN_FILENO, &byte, 1) == 1 else { return .signal(SIGHUP) }
        return .key(byte)
    }

    private func write(_ text: String) {
        StandardOutput.print(text, terminator: "")
        // The next flush fails as well, and says so.
        try? StandardOutput.flush()
    }
}
