;;; emacs.el --- What the tests do in a real Emacs -*- lexical-binding: t; -*-

;; Arguments after "--": the init file that was set up, the file to write in, and the text to type behind its
;; line "        return".  What was seen is written as JSON to the file that SEEN names.

(require 'json)

(defvar test-deadline-s 60)

(defun test-wait (what condition)
  "The first true answer of CONDITION; WHAT it is, when it does not come."
  (let ((deadline (+ (float-time) test-deadline-s)) answer)
    (while (not (setq answer (funcall condition)))
      (when (> (float-time) deadline)
        (error "After %s s: no %s" test-deadline-s what))
      (accept-process-output nil 0.05))
    answer))

(defun test-line ()
  (buffer-substring-no-properties (line-beginning-position) (line-end-position)))

(defun test-type (text)
  "Go to the line that was left at its beginning, and type TEXT."
  (goto-char (point-min))
  (re-search-forward "^        return$")
  (dolist (character (string-to-list text))
    (let ((last-command-event character))
      (self-insert-command 1))))

(defun test-write (seen)
  (let ((coding-system-for-write 'utf-8))
    (write-region (json-encode seen) nil (getenv "SEEN")))
  (set-buffer-modified-p nil))

(defun test-candidates ()
  "What completion-at-point would offer: (label . the text that stands for it in the file)."
  (let* ((capf (run-hook-with-args-until-success 'completion-at-point-functions))
         (begun (and capf (buffer-substring-no-properties (nth 0 capf) (nth 1 capf)))))
    (and capf (mapcar #'substring-no-properties (all-completions begun (nth 2 capf))))))

(defun test-eglot (init file text)
  (load init)
  (require 'eglot)
  (setq eglot-sync-connect test-deadline-s)
  (find-file file)
  (call-interactively #'stardraft-eglot)
  (test-wait "status" (lambda () (string-prefix-p "stardraft is ready." (or stardraft-last-status ""))))
  (test-type text)
  (let ((candidates (test-wait "candidate" #'test-candidates)))
    (completion-at-point)
    (test-write `((shown . ,(vconcat candidates)) (line . ,(test-line)) (status . ,stardraft-last-status)))))

(defun test-lsp-mode (init file text)
  (load init)
  (load "lsp-mode-autoloads")
  (require 'lsp-mode)
  (setq lsp-auto-guess-root t lsp-enable-snippet nil lsp-enable-suggest-server-download nil lsp-restart 'ignore
        lsp-enabled-clients '(stardraft))
  (find-file file)
  (lsp)
  (test-wait "status" (lambda () (string-prefix-p "stardraft is ready." (or stardraft-last-status ""))))
  (test-type text)
  (lsp-inline-completion-display)
  (let* ((overlays (seq-filter (lambda (overlay) (overlay-get overlay 'after-string))
                               (overlays-in (point-min) (1+ (point-max)))))
         (shown (mapconcat (lambda (overlay) (substring-no-properties (overlay-get overlay 'after-string)))
                           overlays "")))
    (lsp-inline-completion-accept)
    (test-write `((shown . ,shown) (line . ,(test-line)) (status . ,stardraft-last-status)
                  (list . ,(if (lsp-feature? "textDocument/completion") t :json-false))))))

(let ((arguments (cdr (member "--" command-line-args))))
  (setq command-line-args-left nil)
  (apply (intern (car arguments)) (cdr arguments)))
