# cmake -DVERSION=0.1.0 -DGIT=ON -DSOURCE=DIR -DOUT=FILE -P version.cmake: writes the version as a C macro, and as it is to
# FILE.txt; files that would not change are left alone. With GIT it says which commit of SOURCE this is, if that is a
# checkout: the commits since the tag vVERSION - all there are without that tag - so that later ones are higher versions,
# the hash, and "dirty" if files were changed. At the tag it is VERSION.
set(text ${VERSION})

# git(OUTPUT ARGUMENTS...): empty if it fails
function(git output)
    execute_process(
        COMMAND git -C ${SOURCE} ${ARGN} OUTPUT_VARIABLE said RESULT_VARIABLE code ERROR_QUIET
        OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT code EQUAL 0)
        set(said "")
    endif()
    set(${output} "${said}" PARENT_SCOPE)
endfunction()

if(GIT)
    git(inside rev-parse --show-cdup) # empty at the top; a checkout of something else around SOURCE does not count
    git(hash rev-parse --short=10 HEAD)
    if(hash AND inside STREQUAL "")
        git(tag rev-parse --verify --quiet refs/tags/v${VERSION}^{commit})
        if(tag)
            git(count rev-list --count ${tag}..HEAD)
        else()
            git(count rev-list --count HEAD)
        endif()
        git(changed status --porcelain --untracked-files=no)
        if(count GREATER 0 OR changed)
            string(APPEND text "+${count}.g${hash}")
        endif()
        if(changed)
            string(APPEND text ".dirty")
        endif()
    endif()
endif()

foreach(file "${OUT}" "${OUT}.txt")
    set(wanted "${text}\n")
    if(file STREQUAL OUT)
        set(wanted "#define VERSION_TEXT \"${text}\"\n")
    endif()
    set(there "")
    if(EXISTS ${file})
        file(READ ${file} there)
    endif()
    if(NOT there STREQUAL wanted)
        file(WRITE ${file} "${wanted}")
    endif()
endforeach()
