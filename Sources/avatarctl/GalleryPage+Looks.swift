extension GalleryPage {
    /// The page's one style sheet. Colours come as pairs for light and dark, as the reader's system prefers.
    static let style = """
        :root{color-scheme:light dark;--paper:#fff;--card:#f4f4f6;--ink:#1b1b1f;--faint:#5b5b66;--line:#c9c9d2;--bad:#a3182b;--good:#17663a;--focus:#1a5fb4}
        @media(prefers-color-scheme:dark){:root{--paper:#17171b;--card:#232329;--ink:#ececf1;--faint:#a9a9b6;--line:#45454f;--bad:#ff8b97;--good:#7fd6a2;--focus:#8ab8ff}}
        *{box-sizing:border-box}
        body{margin:0;font:16px/1.4 system-ui,sans-serif;background:var(--paper);color:var(--ink)}
        header{position:sticky;top:0;z-index:1;padding:12px 20px;background:var(--paper);border-bottom:1px solid var(--line)}
        h1{margin:0 0 8px;font-size:1.3rem}
        [role=search]{display:flex;flex-wrap:wrap;gap:8px 20px;align-items:baseline}
        input,select{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:4px 8px;max-width:100%}
        output{color:var(--faint)}
        :focus-visible{outline:3px solid var(--focus);outline-offset:2px}
        main{padding:20px}
        ul{list-style:none;margin:0;padding:0;display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(180px,100%),1fr))}
        li{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px;content-visibility:auto;contain-intrinsic-size:auto 260px}
        [hidden]{display:none!important}
        figure{margin:0}
        img,.empty{display:block;width:100%;aspect-ratio:1;border-radius:8px;object-fit:contain}
        .empty{display:grid;place-items:center;color:var(--faint);border:1px dashed var(--line)}
        figcaption{margin-top:8px}
        bdi{display:block;font-weight:600;overflow-wrap:anywhere}
        .state{color:var(--faint)}
        [data-state=ready] .state{color:var(--good)}
        [data-state=failed] .state,[data-state=absent] .state{color:var(--bad)}
        .reason{margin:4px 0 0;overflow-wrap:anywhere}
        details{margin-top:4px}
        summary{cursor:pointer;color:var(--faint)}
        dl{margin:4px 0 0;font-size:.85rem}
        dt{color:var(--faint)}
        dd{margin:0 0 4px;overflow-wrap:anywhere}
        .unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
        footer{padding:0 20px 20px;color:var(--faint);font-size:.9rem}
        @media print{header{position:static}[role=search]{display:none}li{break-inside:avoid}}
        """

    /// The page's one script: search by name, reason or state. What is searched for stands in the address, so that it can be kept. Without
    /// scripts the page shows everything.
    static let script = """
        "use strict";
        const search = document.getElementById("search"), state = document.getElementById("state");
        const count = document.getElementById("count"), nothing = document.getElementById("nothing");
        const items = [...document.querySelectorAll("li[data-state]")];
        const texts = items.map(item => [...item.querySelectorAll("bdi, .reason")].map(part => part.textContent).join(" ").toLowerCase());
        function show() {
          const wanted = search.value.trim().toLowerCase();
          let shown = 0;
          items.forEach((item, index) => {
            const fits = texts[index].includes(wanted) && (!state.value || item.dataset.state === state.value);
            item.hidden = !fits;
            if (fits) shown += 1;
          });
          nothing.hidden = shown > 0 || items.length === 0;
          count.value = shown === items.length ? `${shown} avatars` : `${shown} of ${items.length} avatars`;
        }
        function keep() {
          const words = new URLSearchParams();
          if (search.value) words.set("search", search.value);
          if (state.value) words.set("state", state.value);
          history.replaceState(null, "", "#" + words);
          show();
        }
        function take() {
          const words = new URLSearchParams(location.hash.slice(1));
          search.value = words.get("search") ?? "";
          state.value = words.get("state") ?? "";
          if (state.selectedIndex < 0) state.value = "";
          show();
        }
        search.addEventListener("input", keep);
        state.addEventListener("change", keep);
        addEventListener("hashchange", take);
        addEventListener("keydown", event => {
          const isTyping = event.target.closest?.("input, select, textarea");
          if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
            event.preventDefault();
            search.focus();
          } else if (event.key === "Escape" && event.target === search) {
            search.value = "";
            keep();
          }
        });
        take();
        """
}
