import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import RainbowFS

/// The completion scripts that `make install` installs, read by the shells themselves.
@Suite struct CompletionTests {
    /// Calls `body` with the path of a file that holds `text`.
    private func withFile<R>(_ text: String, _ body: (String) throws -> R) throws -> R {
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).completion")
        try text.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        return try body(file.path())
    }

    @Test(
        "Each shell reads its completion script, which knows every command",
        arguments: [("bash", CompletionShell.bash), ("zsh", .zsh), ("fish", .fish)])
    func syntax(program: String, shell: CompletionShell) throws {
        let script = RainbowFS.completionScript(for: shell)
        for command in RainbowFS.configuration.subcommands {
            #expect(script.contains(command.configuration.commandName!))
        }
        let result = try withFile(script) { try Shell.run([program, "-n", $0]) }
        #expect(result.status == 0 && result.output + result.errors == "")
    }

    @Test(
        "bash completes commands and options",
        arguments: [
            (["st"], "status"), (["status", "--j"], "--json"), (["bench", "b"], "bank"),
            (["ato"], "atomic"), (["atomic", "--ret"], "--retries"),
            (["atomic", "rev"], "rev"), (["atomic", "--", "rev"], "rev"),
        ])
    func bash(words: [String], completed: String) throws {
        let script =
            RainbowFS.completionScript(for: .bash) + """

                COMP_WORDS=(rainbowfs \(words.joined(separator: " ")))
                COMP_CWORD=\(words.count)
                COMP_LINE="${COMP_WORDS[*]}"
                COMP_POINT=${#COMP_LINE}
                _rainbowfs rainbowfs "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
                printf '%s\\n' "${COMPREPLY[@]}"

                """
        let result = try withFile(script) { try Shell.run(["bash", $0]) }
        #expect(result.output == completed + "\n")
    }
}
