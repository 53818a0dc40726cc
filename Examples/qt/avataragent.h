// What a chat client needs of avatard: labels that are told about their pictures.
#pragma once

#include <QHash>
#include <QJsonObject>
#include <QObject>
#include <QSet>
#include <QStringList>
#include <QTimer>
#include <functional>
#include <memory>

class QLocalSocket;

/// A picture as the agent knows it now (docs/label-bus.md, "Avatar").
struct Avatar {
    QString name;
    /// "ready", "pending", "absent", "failed" and so on; there may be more one day.
    QString state;
    /// A whole, verified file, or empty.
    QString path;
    /// A file to show while there is no path.
    QString fallback;
    /// Why it is absent or failed.
    QString reason;

    /// The file to show now; empty for none.
    QString file() const { return path.isEmpty() ? fallback : path; }
};

/// How much a label is seen. What is seen is fetched first.
enum class Visibility { Visible, Near, Hidden };

/// The agent, over its Unix socket. One object serves all labels of a program, in its event loop: no thread, no lock.
///
/// Whatever is added, removed, or seen differently is said once, in the next turn of the event loop. When the agent goes (an upgrade, a
/// crash), labels keep what they show, and the new agent is told about all of them.
class AvatarAgent : public QObject {
    Q_OBJECT
public:
    using Told = std::function<void(const Avatar &)>;

    explicit AvatarAgent(QString socketPath = defaultSocketPath(), QObject *parent = nullptr);
    ~AvatarAgent() override;

    /// The one that labels use unless told otherwise; it goes with the QApplication.
    static AvatarAgent *instance();

    /// AVATARD_BUS_SOCKET, else $XDG_RUNTIME_DIR/avatard/agent.sock, else below /run/user/UID.
    static QString defaultSocketPath();

    /// Registers a label. `told` is called in this thread with each state of its picture, the first soon after.
    /// Returns the label's id for the calls below; it is never the same again.
    QString add(const QString &name, Visibility visibility, Told told);

    /// Takes a label back: it is told nothing any more, from this very call on.
    void remove(const QString &label);

    void setVisibility(const QString &label, Visibility visibility);

    /// Whether the agent has been told of the labels, and answers.
    bool isConnected() const { return !m_subscription.isEmpty(); }

    /// How many labels there are.
    int count() const { return int(m_labels.size()); }

signals:
    /// The agent has told the states of all labels.
    void connected();
    /// The agent is gone, and why; it is tried again by itself.
    void lost(const QString &reason);

private:
    struct Label {
        QString name;
        Visibility visibility;
        Told told;
    };

    void connectSoon();
    void open();
    void registerAll();
    void readStream();
    void readAdjustments();
    void hangUp(const QString &reason);
    void changed(const QString &label);
    void flush();
    QJsonObject request(const QString &label) const;
    void tell(const QJsonObject &state);

    QString m_socketPath;
    QHash<QString, Label> m_labels;
    quint64 m_lastLabel = 0;

    /// The stream of a Register, which is busy for as long as it lives; and the connection for Adjust beside it.
    std::unique_ptr<QLocalSocket> m_stream, m_adjustments;
    QByteArray m_unread, m_unreadAdjustments;
    QString m_subscription;

    /// What the agent does not know yet: labels to be said anew, and labels to be taken back.
    QSet<QString> m_changed, m_removed;
    QTimer m_flush, m_retry;
    int m_retryAfter = 0;
};
