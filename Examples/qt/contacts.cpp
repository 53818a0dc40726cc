// A window of contacts: the first avatar large, all of them in a list.
//   contacts head_17.png head_18.png ...
#include "avatardelegate.h"
#include "avatarlabel.h"

#include <QApplication>
#include <QHBoxLayout>
#include <QListView>
#include <QStandardItemModel>

int main(int argc, char *argv[])
{
    QApplication application(argc, argv);
    const QStringList names = application.arguments().mid(1);
    if (names.isEmpty())
        qFatal("usage: contacts NAME...   the names of avatars, such as head_17.png");

    QWidget window;
    window.setWindowTitle(QStringLiteral("Contacts"));
    auto *row = new QHBoxLayout(&window);

    auto *large = new AvatarLabel(names.first());
    large->setFixedSize(160, 160);
    row->addWidget(large, 0, Qt::AlignTop);

    QStandardItemModel model;
    for (const QString &name : names) {
        auto *item = new QStandardItem(QString(name).section('.', 0, 0));
        item->setData(name, Qt::UserRole);
        item->setEditable(false);
        model.appendRow(item);
    }
    auto *list = new QListView;
    list->setModel(&model);
    list->setItemDelegate(new AvatarDelegate(list, Qt::UserRole));
    row->addWidget(list);
    QObject::connect(list, &QListView::clicked, large,
                     [large](const QModelIndex &index) { large->setAvatar(index.data(Qt::UserRole).toString()); });

    window.resize(460, 360);
    window.show();
    return application.exec();
}
