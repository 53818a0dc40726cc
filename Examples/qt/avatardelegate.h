#pragma once

#include "avataragent.h"

#include <QAbstractItemView>
#include <QPixmap>
#include <QPointer>
#include <QStyledItemDelegate>

/// Draws an avatar at the left of each row of a list. The model has the avatars' names in a role of its own.
///
/// Rows that are seen are registered as visible, those of one page around as near; the others are taken back, so that a list of any
/// length costs what is seen of it. Install it with `view->setItemDelegate(new AvatarDelegate(view, role))`.
class AvatarDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    static constexpr int side = 40, margin = 6;

    AvatarDelegate(QAbstractItemView *view, int nameRole, AvatarAgent *agent = AvatarAgent::instance());
    ~AvatarDelegate() override;

    void paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const override;
    QSize sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const override;

    /// What is registered now, and how it is seen.
    QHash<QString, Visibility> registered() const;

signals:
    /// The picture of the rows of that name has changed.
    void told(const QString &name);

protected:
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    struct Shown {
        QString label;
        Visibility visibility;
        QPixmap picture;
    };

    void follow(QAbstractItemModel *model);
    void look();
    void show(const QString &name, const Avatar &avatar);

    QAbstractItemView *m_view;
    int m_nameRole;
    QPointer<AvatarAgent> m_agent;
    QPointer<QAbstractItemModel> m_followed;
    QHash<QString, Shown> m_shown;
    QPixmap m_blank;
    QTimer m_look;
};
