import Glibc

/// What programs that tests start find around them, for every user that runs the tests.
enum UsualSurroundings {
    /// Messages are in English, and no program complains of a locale that this machine lacks.
    static let variables = ["LC_ALL": "C.UTF-8", "LANGUAGE": ""]

    /// New files can be read by all, as most users have it.
    static let mask: mode_t = umask(0o022)
}
