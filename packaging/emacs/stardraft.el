;;; stardraft.el --- Private code completion on your own computer -*- lexical-binding: t; -*-

;; Loaded from the init file: (load (locate-user-emacs-file "stardraft") t)

;;; Commentary:

;; lsp-mode runs several language servers in a buffer, and stardraft joins them: M-x lsp.  With lsp-mode 10
;; suggestions are ghost text, which C-<return> takes; with an older one, entries of the completion list.
;;
;; eglot runs one language server in a buffer.  M-x stardraft-eglot makes it stardraft; without that, eglot
;; has it for those languages only that have no other server.
;;
;; M-x stardraft-status says what it is doing and, when there is no suggestion, why not.

;;; Code:

(require 'cl-lib)

(defvar stardraft-command '("stardraft" "lsp")
  "How the language server is started.")

(defvar stardraft-last-status nil
  "What the language server said of itself last, as a string.")

(defvar eglot-server-programs)
(defvar lsp-inline-completion-enable)
(defvar lsp-inline-completion-idle-delay)
(declare-function lsp-register-client "lsp-mode")
(declare-function make-lsp-client "lsp-mode")
(declare-function lsp-stdio-connection "lsp-mode")
(declare-function lsp--workspace-server-capabilities "lsp-mode")
(declare-function lsp:set-server-capabilities-completion-provider? "lsp-protocol")
(declare-function lsp-get "lsp-protocol")

(defun stardraft--take-status (sentence message)
  "Remember SENTENCE of the language server; MESSAGE where its version has none yet."
  (setq stardraft-last-status (or sentence message)))

(defun stardraft-status ()
  "Say what stardraft is doing and, when there is no suggestion, why not."
  (interactive)
  (message "%s" (or stardraft-last-status "stardraft has not been started in any buffer.")))

(with-eval-after-load 'lsp-mode
  (require 'lsp-inline-completion nil t) ; from lsp-mode 10
  (lsp-register-client
   (make-lsp-client
    :new-connection (lsp-stdio-connection (lambda () stardraft-command))
    :activation-fn (lambda (&rest _) (derived-mode-p 'prog-mode 'text-mode 'conf-mode))
    :server-id 'stardraft
    :priority -10
    :add-on? t
    :multi-root t
    :notification-handlers
    (let ((handlers (make-hash-table :test 'equal)))
      (puthash "stardraft/status"
               (lambda (_workspace said)
                 (stardraft--take-status (lsp-get said :sentence) (lsp-get said :message)))
               handlers)
      handlers)
    :initialized-fn
    (lambda (workspace)
      ;; Where there is ghost text, the completion list shall not have the suggestion as well.
      (when (bound-and-true-p lsp-inline-completion-enable)
        (lsp:set-server-capabilities-completion-provider?
         (lsp--workspace-server-capabilities workspace) nil))))))

(with-eval-after-load 'lsp-inline-completion
  ;; A suggestion is asked for after so many seconds without a key; its own default is 2.
  (setq lsp-inline-completion-idle-delay 0.3))

(with-eval-after-load 'eglot
  ;; At the end of the list: a language that has a server keeps it.
  (add-to-list 'eglot-server-programs (cons '(prog-mode text-mode conf-mode) stardraft-command) t)
  (cl-defmethod eglot-handle-notification
    (_server (_method (eql stardraft/status)) &key sentence message &allow-other-keys)
    "Remember what the language server says of itself."
    (stardraft--take-status sentence message)))

;;;###autoload
(defun stardraft-eglot ()
  "Start eglot in this buffer with stardraft as its language server."
  (interactive)
  (require 'eglot)
  (let ((eglot-server-programs (list (cons major-mode stardraft-command))))
    (call-interactively #'eglot)))

(provide 'stardraft)
;;; stardraft.el ends here
