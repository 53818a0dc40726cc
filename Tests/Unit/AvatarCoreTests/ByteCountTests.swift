import AvatarCore
import Testing

@Suite struct ByteCountTests {
    @Test(arguments: [
        ("0", 0), ("2048", 2048), (" 7 ", 7), ("7b", 7), ("1k", 1000), ("1kB", 1000), ("1KiB", 1024), ("1 KiB", 1024),
        ("1ki", 1024),
        ("64 MiB", 64 << 20), ("10GB", 10_000_000_000), ("10gib", 10 << 30), ("2T", 2_000_000_000_000),
    ])
    func aNumberMayHaveAUnit(text: String, bytes: Int) {
        #expect(ByteCount(text: text)?.bytes == bytes)
    }

    @Test(arguments: [
        "", " ", "k", "-1", "1.5G", "1 k b", "1x", "1i", "1ib", "1PB", "0x10", "9223372036854775808", "9999999TiB", "١",
        "1\u{A0}k",
    ])
    func whatIsNoNumberOfBytesIsNone(text: String) { #expect(ByteCount(text: text) == nil) }

    @Test(arguments: [
        (0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (20_480, "20.0 KiB"),
        (1_048_575, "1023.9 KiB"),
        (1_048_576, "1.0 MiB"), (3 << 30, "3.0 GiB"), (Int.max, "8388607.9 TiB"),
    ])
    func aPersonReadsIt(bytes: Int, text: String) { #expect("\(ByteCount(bytes))" == text) }
}
