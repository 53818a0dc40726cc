import Foundation
import Glibc
import Synchronization

// A wire between two TUN devices that holds every packet back for the same time: no loss, no bound of the rate, order kept.
//
//     delay-link NEAR FAR MILLISECONDS
//
// makes the two devices, writes READY, and ends with its standard input. Whoever starts it moves the devices into network namespaces and
// gives them addresses. It needs root.

/// One packet and when it is to come out.
struct Packet {
    let due: timespec
    let bytes: [UInt8]
}

/// Packets on their way in one direction.
final class Wire: Sendable {
    /// More than a window of 64 MiB in the smallest usual packets; past it packets are dropped, as a router drops them.
    static let packetsMax = 65_536
    private let packets = Mutex<[Packet]>([])
    private let came = DispatchSemaphore(value: 0)

    func put(_ packet: Packet) {
        let isIn = packets.withLock { packets in
            guard packets.count < Self.packetsMax else { return false }
            packets.append(packet)
            return true
        }
        if isIn { came.signal() }
    }

    /// Waits until there are packets, and takes them all.
    func takeAll() -> [Packet] {
        came.wait()
        return packets.withLock { packets in
            defer { packets = [] }
            return packets
        }
    }
}

func fail(_ what: String) -> Never {
    FileHandle.standardError.write(Data("delay-link: \(what): \(String(cString: strerror(errno)))\n".utf8))
    exit(1)
}

/// Opens a TUN device of that name (Documentation/networking/tuntap.rst): packets without a header before them.
func openDevice(_ name: String) -> Int32 {
    let device = open("/dev/net/tun", O_RDWR)
    guard device >= 0 else { fail("/dev/net/tun") }
    // struct ifreq: 16 bytes of name, then the flags IFF_TUN | IFF_NO_PI.
    var request = [UInt8](repeating: 0, count: 40)
    for (index, byte) in name.utf8.prefix(15).enumerated() { request[index] = byte }
    let flags: UInt16 = 0x0001 | 0x1000
    request[16] = UInt8(flags & 0xff)
    request[17] = UInt8(flags >> 8)
    let setInterface: UInt = 0x4004_54ca  // TUNSETIFF
    guard ioctl(device, setInterface, &request) == 0 else { fail("TUNSETIFF \(name)") }
    return device
}

func now(plus nanoseconds: Int) -> timespec {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let sum = time.tv_nsec + nanoseconds
    return timespec(tv_sec: time.tv_sec + sum / 1_000_000_000, tv_nsec: sum % 1_000_000_000)
}

func carry(from source: Int32, to target: Int32, delay: Int) {
    let wire = Wire()
    Thread.detachNewThread {
        var room = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(source, &room, room.count)
            guard count > 0 else { return }
            wire.put(Packet(due: now(plus: delay), bytes: Array(room[..<count])))
        }
    }
    Thread.detachNewThread {
        // Without this the kernel may wake a sleeper 50 microseconds late (proc(5), timerslack_ns).
        try? Data("1".utf8).write(to: URL(fileURLWithPath: "/proc/thread-self/timerslack_ns"))
        while true {
            for packet in wire.takeAll() {
                var due = packet.due
                while clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &due, nil) == EINTR {}
                // A packet that the other side has no room for is lost, as on any wire.
                _ = write(target, packet.bytes, packet.bytes.count)
            }
        }
    }
}

guard CommandLine.arguments.count == 4, let milliseconds = Double(CommandLine.arguments[3]) else {
    FileHandle.standardError.write(Data("usage: delay-link NEAR FAR MILLISECONDS\n".utf8))
    exit(2)
}
let (near, far) = (openDevice(CommandLine.arguments[1]), openDevice(CommandLine.arguments[2]))
let delay = Int(milliseconds * 1_000_000)
carry(from: near, to: far, delay: delay)
carry(from: far, to: near, delay: delay)
FileHandle.standardOutput.write(Data("READY\n".utf8))
while FileHandle.standardInput.availableData.count > 0 {}
