// The labels and the list beside a real agent and a real server, by their pixels. Built where CMake is given AVATARD_PROGRAMS.
#include "avatardelegate.h"
#include "avatarlabel.h"

#include <QDir>
#include <QFile>
#include <QJsonDocument>
#include <QListView>
#include <QJsonObject>
#include <QPainter>
#include <QProcess>
#include <QScrollBar>
#include <QSignalSpy>
#include <QStandardItemModel>
#include <QTemporaryDir>
#include <QtTest>

namespace {
constexpr int side = 64, patience = 15000;

/// A picture of `side` by `side` whose pixels all differ.
QImage gradient(int blue)
{
    QImage image(side, side, QImage::Format_RGB32);
    for (int x = 0; x < side; ++x)
        for (int y = 0; y < side; ++y)
            image.setPixel(x, y, qRgb(x * 255 / side, y * 255 / side, blue));
    return image;
}

QImage pixels(const QPixmap &pixmap) { return pixmap.toImage().convertToFormat(QImage::Format_RGB32); }
QImage pixels(QWidget &widget) { return pixels(widget.grab()); }
QImage pixels(const QString &file) { return pixels(squarePicture(file, side, 1)); }
} // namespace

class AvatarsTest : public QObject {
    Q_OBJECT

    QTemporaryDir m_folder;
    QProcess m_server, m_agentProgram;
    QString m_port, m_fallback;
    std::unique_ptr<AvatarAgent> m_agent;

    QString file(const QString &name) const { return m_folder.filePath(name); }
    QString cached(const QString &name) const { return file("data/avatard/avatars/" + name); }
    QString socketPath() const { return file("run/avatard/agent.sock"); }
    static QString program(const QString &name) { return QStringLiteral(AVATARD_PROGRAMS "/") + name; }

    QStringList stores() const { return {"--storage-root", file("srv"), "--stores-sqlite-file", file("srv.sqlite")}; }

    void putOnServer(const QString &name, const QImage &image)
    {
        QVERIFY(QDir().mkpath(file("srv/1001")));
        QVERIFY(image.save(file("srv/1001/" + name)));
    }

    void startAgent()
    {
        m_agentProgram.start(program("avatard"), {"--server-host", "127.0.0.1", "--server-port", m_port, "--identity-uid", "1001",
                                                  "--identity-token-file", file("token")});
        QVERIFY(m_agentProgram.waitForStarted());
    }

    /// How many labels the agent has registered, of all its clients.
    int labelsOfTheAgent()
    {
        QProcess status;
        status.setProcessEnvironment(m_agentProgram.processEnvironment());
        status.start(program("avatarctl"), {"status", "--json"});
        status.waitForFinished();
        return QJsonDocument::fromJson(status.readAllStandardOutput()).object().value("labels").toInt(-1);
    }

private slots:
    void initTestCase()
    {
        QVERIFY(m_folder.isValid());
        for (const auto *name : {"a.png", "b.png", "changing.png"})
            putOnServer(name, gradient(int(qstrlen(name)) * 10 + name[0]));
        for (int i = 0; i < 300; ++i)
            putOnServer(QStringLiteral("contact_%1.png").arg(i), gradient(i % 256));
        QFile token(file("token"));
        QVERIFY(token.open(QIODevice::WriteOnly));
        token.write("the token of this test\n");
        token.setPermissions(QFile::ReadOwner | QFile::WriteOwner);
        token.close();
        QVERIFY(QDir().mkpath(file("run")));

        auto environment = QProcessEnvironment::systemEnvironment();
        environment.remove("AVATARD_BUS_SOCKET");
        environment.insert("HOME", m_folder.path());
        for (const auto *name : {"DATA_HOME", "STATE_HOME", "CONFIG_HOME", "RUNTIME_DIR"})
            environment.insert(QStringLiteral("XDG_") + name, file(QString(name).section('_', 0, 0).toLower().replace("runtime", "run")));
        m_agentProgram.setProcessEnvironment(environment);
        m_server.setProcessChannelMode(QProcess::ForwardedErrorChannel);

        QCOMPARE(QProcess::execute(program("avatar-server"), QStringList{"user", "add", "--uid", "1001", "--token-file", file("token")} + stores()), 0);
        m_server.start(program("avatar-server"), QStringList{"serve", "--listen-port", "0", "--port-file", file("port")} + stores());
        QTRY_VERIFY_WITH_TIMEOUT(QFile(file("port")).size() > 0, patience);
        QFile port(file("port"));
        QVERIFY(port.open(QIODevice::ReadOnly));
        m_port = QString::fromLatin1(port.readAll()).trimmed();

        // The first label comes before the agent does.
        m_agent = std::make_unique<AvatarAgent>(socketPath());
    }

    void cleanupTestCase()
    {
        m_agent.reset();
        for (auto *process : {&m_agentProgram, &m_server}) {
            process->terminate();
            QVERIFY(process->waitForFinished());
        }
    }

    void aLabelShowsSomethingWithoutAnAgent()
    {
        AvatarLabel label("a.png", nullptr, m_agent.get());
        label.resize(side, side);
        QSignalSpy lost(m_agent.get(), &AvatarAgent::lost);
        QTRY_VERIFY_WITH_TIMEOUT(!lost.isEmpty(), patience);
        QPixmap expected(side, side);
        expected.fill(label.palette().color(QPalette::Window));
        QPainter(&expected).drawPixmap(0, 0, blankPicture(side, 1));
        QCOMPARE(pixels(label), pixels(expected));
        startAgent();
        QTRY_COMPARE_WITH_TIMEOUT(label.avatar().state, QString("ready"), patience);
    }

    void theFallbackThenThePicture()
    {
        AvatarLabel label("b.png", nullptr, m_agent.get());
        label.resize(side, side);
        QStringList states;
        connect(&label, &AvatarLabel::told, this, [&](const Avatar &avatar) {
            states.append(avatar.state);
            QCOMPARE(pixels(label), pixels(avatar.state == "ready" ? file("srv/1001/b.png") : avatar.fallback));
            m_fallback = avatar.fallback.isEmpty() ? m_fallback : avatar.fallback;
        });
        label.show();
        QTRY_COMPARE_WITH_TIMEOUT(label.avatar().state, QString("ready"), patience);
        QCOMPARE(states, (QStringList{"pending", "ready"}));
        QCOMPARE(label.avatar().path, cached("b.png"));
    }

    void aPictureThatIsReplacedIsShown()
    {
        AvatarLabel label("changing.png", nullptr, m_agent.get());
        label.resize(side, side);
        label.show();
        QTRY_COMPARE_WITH_TIMEOUT(label.avatar().state, QString("ready"), patience);
        const QImage before = pixels(label);
        putOnServer("changing.png", gradient(7));
        QVERIFY(QFile::remove(cached("changing.png")));
        QTRY_COMPARE_WITH_TIMEOUT(pixels(label), gradient(7), patience);
        QVERIFY(before != gradient(7));
    }

    void aPictureThatNobodyHasStaysTheFallback()
    {
        AvatarLabel label("nobody.png", nullptr, m_agent.get());
        label.resize(side, side);
        QTRY_COMPARE_WITH_TIMEOUT(label.avatar().state, QString("absent"), patience);
        QCOMPARE(pixels(label), pixels(m_fallback));
    }

    void aLabelTakesItselfBack()
    {
        auto label = std::make_unique<AvatarLabel>("a.png", nullptr, m_agent.get());
        QTRY_COMPARE_WITH_TIMEOUT(labelsOfTheAgent(), 1, patience);
        label->setAvatar("b.png");
        QTRY_COMPARE_WITH_TIMEOUT(label->avatar().state, QString("ready"), patience);
        QCOMPARE(labelsOfTheAgent(), 1);
        label.reset();
        QCOMPARE(m_agent->count(), 0);
        QTRY_COMPARE_WITH_TIMEOUT(labelsOfTheAgent(), 0, patience);
    }

    void aListRegistersWhatIsSeenOfIt()
    {
        QStandardItemModel model;
        for (int i = 0; i < 300; ++i) {
            auto *item = new QStandardItem(QString::number(i));
            item->setData(QStringLiteral("contact_%1.png").arg(i), Qt::UserRole);
            model.appendRow(item);
        }
        QListView list;
        auto *delegate = new AvatarDelegate(&list, Qt::UserRole, m_agent.get());
        list.setModel(&model);
        list.setItemDelegate(delegate);
        list.resize(240, 400);
        list.show();
        const int page = 400 / (AvatarDelegate::side + 2 * AvatarDelegate::margin) + 1;
        const auto isSeen = [&](int row) {
            const auto registered = delegate->registered();
            const QString name = QStringLiteral("contact_%1.png").arg(row);
            return registered.contains(name) && registered.value(name) == Visibility::Visible;
        };
        QTRY_VERIFY_WITH_TIMEOUT(isSeen(0), patience);
        QVERIFY(delegate->registered().contains(QStringLiteral("contact_%1.png").arg(page)));
        QVERIFY(!isSeen(page));
        QTRY_VERIFY_WITH_TIMEOUT(labelsOfTheAgent() == delegate->registered().size(), patience);
        QVERIFY(delegate->registered().size() <= 3 * page);

        // The pixels of the first row are those of its picture.
        const QRect place(AvatarDelegate::margin, AvatarDelegate::margin, AvatarDelegate::side, AvatarDelegate::side);
        const auto shown = [&](int row) {
            return pixels(list.viewport()->grab(place.translated(list.visualRect(model.index(row, 0)).topLeft())));
        };
        const auto expected = [&](int row) {
            return pixels(squarePicture(file(QStringLiteral("srv/1001/contact_%1.png").arg(row)), AvatarDelegate::side, 1));
        };
        QTRY_COMPARE_WITH_TIMEOUT(shown(0), expected(0), patience);

        list.verticalScrollBar()->setValue(list.verticalScrollBar()->maximum());
        QTRY_VERIFY_WITH_TIMEOUT(isSeen(299), patience);
        QVERIFY(!delegate->registered().contains("contact_0.png"));
        QTRY_VERIFY_WITH_TIMEOUT(labelsOfTheAgent() == delegate->registered().size(), patience);
        QTRY_COMPARE_WITH_TIMEOUT(shown(299), expected(299), patience);

        list.hide();
        QTRY_COMPARE_WITH_TIMEOUT(delegate->registered().size(), 0, patience);
        QTRY_COMPARE_WITH_TIMEOUT(labelsOfTheAgent(), 0, patience);
    }

    void theAgentIsKilledAndComesBack()
    {
        AvatarLabel label("b.png", nullptr, m_agent.get());
        label.resize(side, side);
        label.show();
        QTRY_COMPARE_WITH_TIMEOUT(label.avatar().state, QString("ready"), patience);
        const QImage before = pixels(label);
        QSignalSpy lost(m_agent.get(), &AvatarAgent::lost);
        QSignalSpy connected(m_agent.get(), &AvatarAgent::connected);
        m_agentProgram.kill();
        QVERIFY(m_agentProgram.waitForFinished());
        QTRY_VERIFY_WITH_TIMEOUT(!lost.isEmpty(), patience);
        QCOMPARE(pixels(label), before);

        // A label of the time without an agent, and one that went in it.
        auto gone = std::make_unique<AvatarLabel>("a.png", nullptr, m_agent.get());
        AvatarLabel late("a.png", nullptr, m_agent.get());
        gone.reset();
        startAgent();
        QTRY_VERIFY_WITH_TIMEOUT(!connected.isEmpty(), patience);
        QTRY_COMPARE_WITH_TIMEOUT(late.avatar().state, QString("ready"), patience);
        QCOMPARE(pixels(label), before);
        QCOMPARE(labelsOfTheAgent(), 2);
    }
};

QTEST_MAIN(AvatarsTest)
#include "avatars_test.moc"
