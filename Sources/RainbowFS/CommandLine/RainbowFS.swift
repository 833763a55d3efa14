import ArgumentParser

@main
struct RainbowFS: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rainbowfs")
}
