internal import AvatarCore
internal import NIOCore
internal import ProgramSupport

/// Feeds the service manager's watchdog, when there is one (sd_watchdog_enabled(3)): at half of its time the disk thread is asked, and the
/// manager hears that the agent is alive when the event loop has the disk thread's answer. So both have done something since the last time.
final class Watchdog: Sendable {
    private let task: RepeatedTask
    private let loop: any EventLoop

    /// Nil where the manager has no watchdog: then nothing wakes the agent.
    init?(_ manager: ServiceManager, disk: DiskThread, on loop: any EventLoop) {
        guard let interval = manager.watchdogInterval else { return nil }
        let half = TimeAmount.nanoseconds(interval.wholeNanoseconds / 2)
        let isAsked = NIOLoopBoundBox.makeBoxSendingValue(false, as: Bool.self, eventLoop: loop)
        self.loop = loop
        task = loop.scheduleRepeatedTask(initialDelay: .zero, delay: half) { _ in
            // A disk that hangs is asked once, however long that lasts.
            guard !isAsked.value else { return }
            isAsked.value = true
            disk.submit([
                .ask { _ in
                    loop.execute {
                        isAsked.value = false
                        manager.alive()
                    }
                }
            ])
        }
    }

    /// Feeds it no more.
    func stop() { loop.execute { [task] in task.cancel() } }
}
