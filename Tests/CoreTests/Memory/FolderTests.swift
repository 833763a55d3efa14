import Glibc
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// What somebody else put where a space should be is not touched.
    @Suite struct FolderTests {
        /// A folder in place of all of shared memory, for things that lie there.
        static func withScratch<R>(_ body: (String) throws -> R) throws -> R {
            let path = "/dev/shm/\(uniqueSpaceName("scratch"))"
            #expect(unsafe mkdir(path, 0o700) == 0)
            defer { #expect(system("rm -rf \(path)") == 0) }
            return try body(path)
        }

        static func system(_ command: String) -> Int32 { unsafe Glibc.system(command) }

        static func attachError(_ name: String, _ owner: SpaceOwner = .own) -> SpaceError? {
            var options = SpaceOptions()
            options.owner = owner
            do throws(SpaceError) {
                try Space.attach(name, options).detach()
                return nil
            } catch {
                return error
            }
        }

        static func destroyError(_ name: String, force: Bool = false) -> SpaceError? {
            do throws(SpaceError) {
                try Space.destroy(name, force: force)
                return nil
            } catch {
                return error
            }
        }

        static func expect(
            _ found: SpaceError?, _ expected: SpaceError,
            at location: SourceLocation = #_sourceLocation
        ) {
            #expect(found?.description == expected.description, sourceLocation: location)
        }

        /// Expects that attaching, listing and destroying say the same of a path, and that the last
        /// does so with `force`, too, unless that removes it.
        static func expectRefused(
            _ name: String, path: String, saying text: String, isForced: Bool = false
        ) throws {
            let errors = [
                attachError(name)?.description,
                try Space.list().first { $0.name == name }?.problem?.description,
                destroyError(name)?.description,
            ]
            for error in errors {
                let sentence = try #require(error)
                #expect(sentence.hasPrefix("\(path) "))
                #expect(sentence.contains(text))
            }
            let forced = destroyError(name, force: true)
            #expect((forced == nil) == isForced, "\(String(describing: forced))")
        }

        @Test(
            "What is no folder where a space should be is refused, and stays",
            arguments: ["ln -s SCRATCH PATH", "touch PATH", "mkfifo PATH"])
        func notFolder(_ command: String) throws {
            try Self.withScratch { scratch in
                let name = uniqueSpaceName("core")
                let path = SpaceDirectory.path(name)
                let made = command.split(separator: " ").map { word in
                    word == "SCRATCH" ? scratch : word == "PATH" ? path : String(word)
                }
                #expect(Self.system(made.joined(separator: " ")) == 0)
                defer { unsafe unlink(path) }
                try Self.expectRefused(name, path: path, saying: "is no folder")
                #expect(Self.system("test -z \"$(ls -A \(scratch))\"") == 0)
            }
        }

        @Test(
            "A folder or a file that others may write is refused",
            arguments: [0o770, 0o702, 0o777], ["", "/meta", "/region-1"])
        func writable(mode: Int, file: String) throws {
            let name = uniqueSpaceName("core")
            #expect(Self.attachError(name) == nil)
            let path = SpaceDirectory.path(name) + file
            #expect(unsafe chmod(path, mode_t(mode)) == 0)
            let isRegion = file == "/region-1"
            if isRegion {
                let error = try #require(Self.attachError(name)?.description)
                #expect(error.hasPrefix("\(path) may be written by others"))
            } else {
                try Self.expectRefused(
                    name, path: path, saying: "(mode 0\(String(mode, radix: 8)))",
                    isForced: !file.isEmpty)
            }
            unsafe chmod(path, 0o700)
            _ = Self.destroyError(name)
            #expect(unsafe access(SpaceDirectory.path(name), F_OK) != 0)
        }

        @Test("A new space is writable by its owner alone, whatever the mode and the umask say")
        func modeOfNew() throws {
            var options = SpaceOptions()
            options.mode = 0o777
            try withTestSpace("core", options) { space in
                var status = stat()
                #expect(unsafe stat(space.directory, &status) == 0)
                #expect(status.st_mode & 0o7022 == 0)
                try Space.attach(space.name).detach()
            }
        }

        @Test(
            "A file of the space that leads elsewhere is refused, what it leads to is untouched",
            arguments: ["ln -s", "ln", "mkdir #", "mkfifo #"],
            ["meta", "region-1", "shadow"])
        func files(_ command: String, _ file: String) throws {
            try Self.withScratch { scratch in
                let name = uniqueSpaceName("core")
                let path = SpaceDirectory.path(name)
                let target = "\(scratch)/target"
                #expect(Self.system("echo kept > \(target) && mkdir -m 700 \(path)") == 0)
                let made =
                    command.hasSuffix("#") ? String(command.dropLast()) : "\(command) \(target)"
                #expect(Self.system("\(made) \(path)/\(file)") == 0)
                defer { #expect(Self.system("rm -rf \(path)") == 0) }
                let error = try #require(Self.attachError(name)?.description)
                if file != "region-1" { #expect(error.hasPrefix("\(path)/\(file) ")) }
                if file == "meta" { #expect(Self.destroyError(name) != nil) }
                #expect(Self.system("test \"$(cat \(target))\" = kept") == 0)
                let isRemoved = Self.destroyError(name, force: true) == nil
                let isThere = FaultTests.isThere(name)
                #expect(isRemoved || !isThere || command == "mkdir #")
                #expect(Self.system("test \"$(cat \(target))\" = kept") == 0)
            }
        }

        @Test("Another user's space is refused, except to root that says whose it is")
        func otherOwner() throws {
            guard geteuid() == 0 else { return }
            let (user, group): (UInt32, UInt32) = (65534, 65534)
            let name = uniqueSpaceName("core")
            let path = SpaceDirectory.path(name)
            #expect(unsafe mkdir(path, 0o700) == 0 && chown(path, user, group) == 0)
            defer { _ = Self.destroyError(name, force: true) }
            Self.expect(Self.attachError(name), .untrusted(path, .owner(user)))
            Self.expect(Self.attachError(name, .user(user + 1)), .untrusted(path, .owner(user)))
            var options = SpaceOptions()
            options.owner = .user(user)
            let space = try Space.attach(name, options)
            let snapshot = try space.takeSnapshot(named: "s")
            try space.createRegionFile(2)
            for file in ["meta", "region-1", "region-2", "shadow"] {
                var status = stat()
                #expect(unsafe stat("\(path)/\(file)", &status) == 0)
                #expect(status.st_uid == user && status.st_gid == group)
                #expect(status.st_mode & 0o7777 == 0o600)
            }
            let summary = try Space.list().first { $0.name == name }
            #expect(summary?.nodes == 1 && summary?.problem == nil)
            Self.expect(Self.destroyError(name), .inUse(name, nodes: 1))
            snapshot.end()
            space.detach()
            #expect(Self.attachError(name, .anyone) == nil)
            // A file of root's in it is not the user's doing.
            #expect(unsafe chown("\(path)/region-1", 0, 0) == 0)
            Self.expect(
                Self.attachError(name, .user(user)),
                .untrusted("\(path)/region-1", .ownerOfFile(0, folder: user)))
            #expect(unsafe chown("\(path)/region-1", user, group) == 0)
            // What others than that user may write is refused to everybody.
            #expect(unsafe chmod(path, 0o720) == 0)
            Self.expect(Self.attachError(name, .user(user)), .untrusted(path, .mode(0o720)))
            Self.expect(Self.destroyError(name, force: true), .untrusted(path, .mode(0o720)))
            #expect(unsafe chmod(path, 0o700) == 0)
            #expect(Self.destroyError(name) == nil)
        }

        @Test("Nobody attaches to a space that is being destroyed, with and without its files")
        func attachAndDestroy() throws {
            let name = uniqueSpaceName("core")
            let path = SpaceDirectory.path(name)
            let rounds = 300
            onThreads(6) { thread in
                for round in 0..<rounds {
                    switch thread {
                    case 0...2:
                        guard let space = try? Space.attach(name) else {
                            Issue.record("a space could not be attached")
                            continue
                        }
                        // As long as this one is attached its folder is the space's.
                        var (found, own) = (stat(), stat())
                        #expect(unsafe stat("\(path)/meta", &found) == 0)
                        #expect(unsafe fstat(space.metaDescriptor, &own) == 0)
                        #expect(found.st_ino == own.st_ino)
                        space.detach()
                    case 3:
                        // As a maker that was killed leaves it.
                        unsafe mkdir(path, 0o700)
                    default:
                        _ = Self.destroyError(name)
                    }
                    if round % 16 == 0 { sched_yield() }
                }
            }
            _ = Self.destroyError(name)
            #expect(unsafe access(path, F_OK) != 0)
        }

        @Test("What an interrupted destroy left is shown, refused and removed")
        func halfDestroyed() throws {
            let name = uniqueSpaceName("core")
            #expect(Self.attachError(name) == nil)
            let path = SpaceDirectory.path(name)
            #expect(unsafe unlink("\(path)/meta") == 0)
            let problem = try Space.list().first { $0.name == name }?.problem
            #expect(problem?.description.contains("its meta file is gone") == true)
            #expect(Self.attachError(name)?.description.contains("is damaged") == true)
            #expect(Self.destroyError(name) == nil)
            #expect(unsafe access(path, F_OK) != 0)
        }

        @Test("A region whose file others may write is not said to be absent")
        func writableRegion() throws {
            try withTestSpace("core") { space in
                try space.createRegionFile(9)
                let other = try Space.attach(space.name)
                defer { other.detach() }
                let path = "\(space.directory)/region-9"
                #expect(unsafe chmod(path, 0o666) == 0)
                let load = {
                    try other.transact { tx in
                        try tx.load(Address(region: 9, offset: 64), as: Int.self)
                    }
                }
                do {
                    _ = try load()
                    Issue.record("the region was used")
                } catch TransactionError.unavailable(let errno) {
                    #expect(errno != 0)
                }
                #expect(unsafe chmod(path, 0o600) == 0)
                #expect(try load() == 0)
            }
        }
    }
}
